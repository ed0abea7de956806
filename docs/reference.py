"""Writes what nobody writes by hand: commands.md from `--help` and recorded outputs, study-file.md from the schema of
study files, and the files that other pages show.

python docs/reference.py

A page shows a file of the repository between two comments, so that GitHub shows what the site shows; what is between
them is written here:

    <!-- file: examples/study.yaml -->
    <!-- end of file -->
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from qpareto.search.cli import app
from qpareto.search.study_file.spec import StudySpec

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
OUTPUTS = DOCS / "outputs"  # what commands printed, by docs/record_outputs.py
WIDTH = 100  # columns of a help

SHOWN = re.compile(r"<!-- file: (\S+) -->\n.*?<!-- end of file -->", re.S)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".patch": "diff", ".cpp": "cpp", ".pbtxt": "text", ".txt": "text"}

COMMANDS = """\
# The commands

What `--help` says, of every command, and what it prints. Results go to stdout, progress to stderr; a mistake of the
user is one sentence and exit code 1. Colours and progress bars show on a terminal only; `NO_COLOR=1` leaves colours out
there, too.

`qpareto --install-completion` completes commands and options in bash, zsh, fish and PowerShell, from the next shell on.

The outputs are recorded by `docs/record_outputs.py`: of YOLO11n's recorded study (reconstructed weights,
24 November 2026) where a command reads a study, and of the quickstart's where it measures, on two cores of an AMD EPYC.
"""

STUDY_FILE = """\
# The study file

YAML; `qpareto init` drafts one. Relative paths are relative to the file, `${NAME}` reads the environment, and
`--set KEY=VALUE` replaces any key for one command, such as `--set search.trials=20`. An unknown key is refused
with the nearest known one. `qpareto schema > qpareto.schema.json` gives editors the JSON schema of all this.
"""


def pages() -> dict[Path, str]:
    """Every page that is generated, or shows a file, with its text."""
    by_hand = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
    shown = {path: with_files(text) for path, text in by_hand.items() if SHOWN.search(text)}
    return shown | {DOCS / "commands.md": commands_page(), DOCS / "study-file.md": study_file_page()}


def with_files(text: str) -> str:
    """A page with the files that it names, each as a code block between its two comments."""
    return SHOWN.sub(lambda found: _shown(found[1]), text)


def _shown(name: str) -> str:
    path = ROOT / name
    block = f"```{LANGUAGES[path.suffix]}\n{path.read_text(encoding='utf-8').rstrip()}\n```"
    return f"<!-- file: {name} -->\n{block}\n<!-- end of file -->"


def commands_page() -> str:
    return "\n".join([COMMANDS, *_helps(typer.main.get_command(app), None, "qpareto")])


def _helps(command: Any, parent: Any, name: str) -> Iterator[str]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    context.terminal_width = context.max_content_width = WIDTH
    text, path = command.get_help(context).rstrip(), context.command_path.removeprefix("qpareto ")
    yield f"## {'qpareto ' if parent is not None else ''}{path}\n"
    yield f"```text\n{text}\n```\n"
    if (output := output_of(path)).is_file():
        yield f"```console\n{output.read_text(encoding='utf-8').rstrip()}\n```\n"
    for name_below, below in sorted(getattr(command, "commands", {}).items()):
        yield from _helps(below, context, name_below)


def output_of(command: str) -> Path:
    """Where a command's output is kept, such as that of `study move`."""
    return OUTPUTS / f"{command.replace(' ', '-')}.txt"


def study_file_page() -> str:
    schema = StudySpec.model_json_schema()
    sections = list(_sections(schema, schema, ""))
    return "\n".join([STUDY_FILE, *sections])


def _sections(schema: Mapping[str, Any], root: Mapping[str, Any], path: str) -> Iterator[str]:
    """A section's heading and table, then those of the sections below it."""
    required, below = schema.get("required", ()), []
    yield f"## {f'`{path}`' if path else 'At the top'}\n"
    yield f"{schema['description']}\n"
    yield "| key | type | default | meaning |\n| --- | --- | --- | --- |"
    for name, value in schema["properties"].items():
        where = f"{path}.{name}" if path else name
        inner = _section_of(value, root)
        if inner is not None:
            below.append((inner, where))
        kind = f"see [`{where}`](#{_anchor(where)})" if inner is not None else _type(value)
        default = "**must be named**" if name in required else _default(value, inner is not None)
        meaning = value.get("description") or (inner or {}).get("description", "")
        yield f"| `{name}` | {_cell(kind)} | {default} | {_cell(meaning)} |"
    yield ""
    for inner, where in below:
        yield from _sections(inner, root, where)


def _section_of(value: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The section that a key holds, if it holds one."""
    for option in [value, *value.get("anyOf", ())]:
        found: Mapping[str, Any] = root["$defs"][option["$ref"].rpartition("/")[2]] if "$ref" in option else option
        if "properties" in found:
            return found
    return None


def _type(value: Mapping[str, Any]) -> str:
    if "anyOf" in value:
        return " or ".join(_type(option) for option in value["anyOf"])
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{choice}`" for choice in value["enum"])
    words = {"integer": "whole number", "string": "text", "array": "list of", "object": "keys"}
    words["boolean"] = "true or false"
    told = "path" if value.get("format") == "path" else words.get(value["type"], value["type"])
    if "prefixItems" in value:
        return f"{len(value['prefixItems'])} times {_type(value['prefixItems'][0])}"
    if value["type"] == "array":
        parts = value.get("prefixItems")  # of a list that has so many
        return f"{told} {len(parts)}, each {_type(parts[0])}" if parts else f"{told} {_type(value['items'])}"
    limits = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    return ", ".join([told, *(f"{word} {value[key]:g}" for key, word in limits.items() if key in value)])


def _default(value: Mapping[str, Any], section: bool) -> str:
    default = value.get("default")
    return "as below" if section and default is not None else f"`{json.dumps(default)}`"


def _anchor(path: str) -> str:
    """As Python-Markdown makes one of a heading in code."""
    return path.replace(".", "").lower()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> None:
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
