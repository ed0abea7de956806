"""Writes the blocks of README.md and docs/*.md anew from what was measured and kept, and draws their pictures.

    python benchmarks/results/publish.py            # `make results`
    python benchmarks/results/publish.py --check    # says what would change, and changes nothing
    python benchmarks/results/publish.py --kinds    # what a block can show

`page_blocks.py` tells how a block is marked. A test does what `--check` does.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from os.path import relpath
from pathlib import Path

from cells import model_of
from coverage_table import coverage_table, lines_of
from kept import Kept
from kept_pictures import drawn_hash, figure_hash, picture, write_picture
from kept_study import RECORDED
from kinds import COVERAGE, PICTURE, STUDY_KINDS
from page_blocks import Block, PageError, blocks_of_page, rewritten
from provenance import Provenance, in_words
from recording_kinds import RECORDING_KINDS, RECORDINGS, provenance_of
from short import headline_sentence

ROOT = Path(__file__).resolve().parents[2]
KINDS = (*STUDY_KINDS, COVERAGE, *RECORDING_KINDS)


@dataclass(frozen=True, kw_only=True)
class Pages:
    """The pages whose blocks are written, and where their data and pictures lie.

    Args:
        pages: Markdown files.
        recorded: folder of data.
        recordings: folder of what several samplers did.
        images: folder of pictures.
    """

    pages: tuple[Path, ...]
    recorded: Path = RECORDED
    recordings: Path = RECORDINGS
    images: Path = ROOT / "docs" / "images"
    _read: dict[Path, Kept] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of_checkout(cls, root: Path = ROOT) -> Pages:
        return cls(pages=(root / "README.md", *sorted((root / "docs").glob("*.md"))))

    def kept(self, name: str) -> Kept:
        """A kept study, read once."""
        path = self.recorded / f"{name}.json"
        if path not in self._read:
            self._read[path] = Kept.opened(path)
        return self._read[path]

    def picture_path(self, name: str) -> Path:
        return self.images / f"front-{name}.png"

    @cached_property
    def texts(self) -> dict[Path, str]:
        """By page, as it is."""
        return {page: page.read_text(encoding="utf-8") for page in self.pages}

    def rewritten(self) -> dict[Path, str]:
        """By page, as it has to be.

        Raises:
            PageError: the marks of a page are at fault, or its data.
        """
        return {page: rewritten(page, text, self._written) for page, text in self.texts.items()}

    def drawn(self) -> dict[Path, Kept]:
        """By path, what the pages' pictures are to show."""
        blocks = (block for page, text in self.texts.items() for block in blocks_of_page(page, text))
        names = {block.name for block in blocks if block.kind == PICTURE and self._path(block).exists()}
        return {self.picture_path(name): self.kept(name) for name in sorted(names)}

    def stale_pictures(self) -> list[Path]:
        """Those that show something else than their data, or are not there."""
        return [path for path, kept in self.drawn().items() if drawn_hash(path) != figure_hash(picture([kept]))]

    def _path(self, block: Block) -> Path:
        if block.kind not in KINDS:
            raise PageError(f"{block}: there is no such kind; there are {', '.join(KINDS)}.")
        if block.kind in RECORDING_KINDS:
            return self.recordings / f"{block.name}.jsonl"
        return self.recorded / f"{block.name}{'.jsonl' if block.kind == COVERAGE else '.json'}"

    def _written(self, block: Block) -> Block:
        path = self._path(block)
        if not path.exists():
            if "pending" not in block.flags:
                raise PageError(
                    f"{block}: there is no {path.name} in {path.parent.name}/: measure it, or mark it pending."
                )
            block.refuse_undated()
            return block
        provenance, text = self._shown(block, path)
        if provenance.outdated and "historical" not in block.flags:
            raise PageError(f"{block}: {provenance.outdated}. Measure it anew, or mark the block historical.")
        if "historical" in block.flags:
            text = f"{_historical(block, provenance)}\n\n{text}"
        return replace(block, text=text, flags=block.flags - {"pending"})

    def _shown(self, block: Block, path: Path) -> tuple[Provenance, str]:
        if block.kind in RECORDING_KINDS:
            return provenance_of(path), RECORDING_KINDS[block.kind](path)
        if block.kind == COVERAGE:
            lines = lines_of(path)
            return Provenance.of_lines(lines), coverage_table(lines)
        kept = self.kept(block.name)
        shown = STUDY_KINDS[block.kind](kept)
        if block.kind == PICTURE:
            link = relpath(self.picture_path(block.name), block.page.parent)
            shown = (
                f"{headline_sentence(kept)}\n\n![The front of a study of {model_of(kept.view.name)}]({link})\n\n{shown}"
            )
        return kept.provenance, shown


def _historical(block: Block, provenance: Provenance) -> str:
    if provenance.until is None:
        raise PageError(f"{block}: the data does not say when it was measured, so it cannot be called historical.")
    program = f" by qpareto {provenance.program}" if provenance.program else ""
    why = f": {provenance.outdated}" if provenance.outdated else ""
    return f"*Historical, measured on {in_words(provenance.until)}{program}{why}.*"


def changes(pages: Pages) -> Iterable[Path]:
    """The pages whose blocks are not what their data give, and the pictures."""
    yield from (page for page, text in pages.rewritten().items() if text != pages.texts[page])
    yield from pages.stale_pictures()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if something would change")
    parser.add_argument("--kinds", action="store_true", help="name the kinds of blocks")
    options = parser.parse_args()
    if options.kinds:
        print("\n".join(KINDS))
        return
    pages = Pages.of_checkout()
    try:
        changed = list(changes(pages))
        if not options.check:
            for page, text in pages.rewritten().items():
                if page in changed:
                    page.write_text(text, encoding="utf-8")
            for path, kept in pages.drawn().items():
                write_picture([kept], path)
    except PageError as error:
        raise SystemExit(str(error)) from None
    for path in changed:
        print(f"{path.relative_to(ROOT)} {'is not what its data give' if options.check else 'written'}")
    if options.check and changed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
