"""The documentation: a site that builds without a warning and needs no network; its commands and files are real."""

from __future__ import annotations

import html
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from qpareto.search.cli import app
from qpareto.search.study_file.spec import StudySpec
from recorded_study import recorded_study

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
LEAST = {"version": 1, "name": "n", "model": "m.onnx"}
LEAST_DATA = {"images": "i", "annotations": "a.json", "calibration": "c"}


def blocks(language: str) -> list[Any]:
    """The code blocks of a language on all pages."""
    found = [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, text in enumerate(re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.M | re.S))
    ]
    assert found
    return found


def shown_files() -> dict[str, list[Path]]:
    """Which file of the repository stands whole on which pages."""
    found: dict[str, list[Path]] = {}
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"^<!-- file: (\S+) -->$", page.read_text(), re.M):
            found.setdefault(name, []).append(page)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it; a link or an anchor that leads nowhere is an error."""
    pytest.importorskip("material", reason="needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(ROOT / "mkdocs.yml")]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # what the theme says of the future of mkdocs
    done = subprocess.run([*command, "--site-dir", str(folder)], check=False, capture_output=True, text=True, env=quiet)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_is_in_the_site_and_in_its_navigation(site: Path) -> None:
    built = {path.stem for path in site.glob("*.html")} - {"404"}
    assert built == {page.stem for page in DOCS.glob("*.md")}
    home = (site / "index.html").read_text()
    assert all(f'href="{name}.html"' in home for name in built - {"index"})


def test_the_site_fetches_nothing_from_other_hosts(site: Path) -> None:
    fetched = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=[\"']?(?:https?:)?//[^\"'\s>]*|@import[^;]*//[^;]*")
    linked = re.compile(
        r"<link[^>]*rel=[\"']?(?:stylesheet|preconnect|preload|icon)[^>]*href=[\"']?(?:https?:)?//[^>]*"
    )
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    texts = {path.name: path.read_text(encoding="utf-8") for path in pages}
    assert {
        name: found for name, text in texts.items() if (found := fetched.findall(text) + linked.findall(text))
    } == {}
    assert not any("mermaid" in text for name, text in texts.items() if name.endswith(".html")), "it would be fetched"


def test_every_example_and_output_stands_whole_on_a_page_on_github_and_on_the_site(site: Path) -> None:
    shown = shown_files()
    rooms = [path for room in (ROOT / "examples", DOCS / "outputs") for path in room.rglob("*.*")]
    kept = {path.relative_to(ROOT).as_posix() for path in rooms if "__pycache__" not in path.parts}
    commands = (DOCS / "commands.md").read_text()
    assert {name for name in kept - shown.keys() if (ROOT / name).read_text().rstrip() not in commands} == set()
    for name, pages in shown.items():
        text = (ROOT / name).read_text().rstrip()
        for page in pages:
            assert f"\n{text}\n```\n" in page.read_text(), f"run: python docs/reference.py ({name} on {page.name})"
            seen = html.unescape(re.sub(r"<[^>]+>", "", (site / f"{page.stem}.html").read_text()))
            assert text in seen, (name, page.name)


def test_no_page_includes_files_in_a_way_that_github_does_not_show() -> None:
    assert [page.name for page in PAGES if re.search(r"-\s*-\s*8\s*<\s*-\s*-", page.read_text())] == []


def test_every_command_has_an_output_on_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)
    import record_outputs
    import reference

    page = (DOCS / "commands.md").read_text()
    named = re.findall(r"^## qpareto (\w+(?: \w+)?)$", page, re.M)
    assert len(named) > 15
    without = [name for name in named if not reference.output_of(name).is_file()]
    assert without == ["study"], "a group of commands"
    for name, command in record_outputs.RECORDED.items():
        assert (DOCS / "outputs" / f"{name}.txt").read_text().startswith(f"$ {command}\n"), name


@pytest.mark.parametrize("name", ["front", "front-wide", "front-require"])
def test_the_recorded_study_still_prints_what_its_page_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(DOCS)
    import record_outputs

    recorded_study(tmp_path)
    printed = record_outputs.printed_by(record_outputs.READING[name], tmp_path)
    kept = (DOCS / "outputs" / f"{name}.txt").read_text()
    assert record_outputs.as_kept(name, printed, tmp_path) == kept, "run docs/record_outputs.py FOLDER --quick"


def test_the_readme_quotes_the_answer_that_the_page_on_the_quickstart_shows() -> None:
    quoted, shown = (
        re.findall(r"^Ship trial .*?^How sure: .*?\.$", page.read_text(), re.M | re.S)
        for page in (ROOT / "README.md", DOCS / "start.md")
    )
    assert quoted == shown
    assert len(shown) == 1


def test_the_generated_pages_are_what_the_program_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)
    import reference

    for path, text in reference.pages().items():
        assert path.read_text() == text, f"run: python docs/reference.py ({path.name})"


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_study_file_on_a_page_is_one(text: str) -> None:
    document = yaml.safe_load(text)
    whole = "version" in document
    StudySpec.model_validate(document if whole else {**LEAST, "data": LEAST_DATA, **document})


@pytest.mark.parametrize("text", blocks("python"))
def test_python_on_a_page_compiles(text: str) -> None:
    compile(text, "page", "exec")


def commands_of(text: str) -> Iterator[list[str]]:
    for line in re.findall(r"^\$ (.+)$", text, re.M):
        for part in line.split("&&"):
            yield shlex.split(part, comments=True)


@pytest.mark.parametrize("text", blocks("console"))
def test_commands_on_a_page_are_ones(text: str) -> None:
    for words in commands_of(text):
        named = [word for word in words if not re.fullmatch(r"[A-Z_]+=.*", word)]
        if named[:1] == ["qpareto"]:
            refuse_unknown(named[1:])
        elif named[:1] == ["make"]:
            assert re.search(rf"^{named[1]}:", (ROOT / "Makefile").read_text(), re.M), named
        elif named[:2] == ["pip", "install"]:
            refuse_unknown_extras(named)
        elif named[:1] == ["python"]:
            assert (ROOT / named[1]).is_file(), named


def refuse_unknown(words: list[str]) -> None:
    """Parse a command as the program would, and run nothing."""
    command: Any = typer.main.get_command(app)
    context, name = None, "qpareto"
    while hasattr(command, "commands"):
        if words[0].startswith("--"):
            assert any(words[0] in parameter.opts for parameter in command.params), words
            return
        context = command.make_context(name, [], parent=context, resilient_parsing=True)
        name, *words = words
        command = command.commands[name]
    command.make_context(name, words, parent=context)


def refuse_unknown_extras(words: list[str]) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    for word in words:
        for extras in re.findall(r"^(?:\.|qpareto)\[([\w,-]+)\]$", word):
            assert all(re.search(rf"^{extra} = \[", project, re.M) for extra in extras.split(",")), word


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.stem)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    """Links of all pages; and, in code, paths from the checkout's root that end in a file's name."""
    text = page.read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []
    room = r"(?:benchmarks|docs|examples|objectives|search|spaces|studies|tests)"
    named = re.findall(rf"`({room}/[\w/.-]+\.(?:py|md|yaml|json|jsonl|patch))\b", text)
    assert [path for path in named if not (ROOT / path).exists()] == []
