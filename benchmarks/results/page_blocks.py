"""Blocks of a page that a script writes. A writer puts the marks, the script what stands between them:

    <!-- results: NAME KIND -->
    ...
    <!-- /results -->

NAME is a data file of `recorded/`, KIND says what is shown of it (`publish.py --kinds`). Readers see neither mark.
Behind KIND may stand `historical`, for data that today's program would not make any more: then the block says so with
its date, and data that is not marked so is refused. Or `pending`, for data that is still to be measured: then what
stands there is left alone, as long as it is nothing or says that it is historical, with its date.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"(?P<begin><!-- results: (?P<words>[^<>]*) -->\n)(?P<text>.*?)(?P<end><!-- /results -->)", re.S)
_MARK = re.compile(r"<!-- /?results\b")
_DATED = re.compile(r"[Hh]istorical\b.*?\b\d{1,2} [A-Z][a-z]+ \d{4}", re.S)
FLAGS = ("historical", "pending")


class PageError(Exception):
    """A page's marks are at fault, or what they ask for cannot be shown: one sentence with the page's name."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block of a page.

    Args:
        page: where it stands.
        name, kind, flags: what its first mark says.
        text: what stands between its marks now.
    """

    page: Path
    name: str
    kind: str
    flags: frozenset[str]
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}, block '{self.name} {self.kind}'"

    @property
    def mark(self) -> str:
        """The first mark, as it is written."""
        flags = "".join(f" {flag}" for flag in FLAGS if flag in self.flags)
        return f"<!-- results: {self.name} {self.kind}{flags} -->\n"

    def refuse_undated(self) -> None:
        """Figures that wait for others must say that they are old, and from when.

        Raises:
            PageError: they do not.
        """
        if self.text.strip() and not _DATED.search(self.text):
            raise PageError(f"{self}: what stands there has no data: say 'Historical' and its date (1 May 2026) in it.")


def blocks_of_page(page: Path, text: str) -> list[Block]:
    """All blocks of a page, in their order.

    Raises:
        PageError: a mark has no partner, or says something else than NAME KIND and flags.
    """
    found = [_block(page, each) for each in _BLOCK.finditer(text)]
    if len(_MARK.findall(text)) != 2 * len(found) or any(_MARK.search(block.text) for block in found):
        raise PageError(
            f"{page.name}: each '<!-- results: NAME KIND -->' needs its '<!-- /results -->', and none in it."
        )
    return found


def rewritten(page: Path, text: str, write: Callable[[Block], Block]) -> str:
    """The page's text with every block written anew.

    Args:
        write: gives a block with its new text (and flags), or the same to leave it as it is; or raises PageError.
    """
    blocks_of_page(page, text)

    def written(match: re.Match[str]) -> str:
        found = _block(page, match)
        if (block := write(found)) == found:
            return match[0]
        inside = f"\n{block.text.strip()}\n\n" if block.text.strip() else ""
        return f"{block.mark}{inside}{match['end']}"

    return _BLOCK.sub(written, text)


def _block(page: Path, match: re.Match[str]) -> Block:
    name, kind, *flags = match["words"].split() if len(match["words"].split()) > 1 else ("", "")
    if not name or set(flags) - set(FLAGS):
        raise PageError(f"{page.name}: '{match['words']}' is not NAME KIND, then perhaps {' or '.join(FLAGS)}.")
    return Block(page=page, name=name, kind=kind, flags=frozenset(flags), text=match["text"])
