"""What every family of commands shares: its arguments, its examples, its words on stderr, its JSON on stdout."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import QParetoError

if TYPE_CHECKING:
    from ..results.study_results import Results
    from ..study_file.spec import StudySpec

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file (YAML).", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a key of the study file; may stand several times."),
]
Trials = Annotated[int | None, typer.Option(min=1, help="Finished trials the study is to have.")]
Timeout = Annotated[str | None, typer.Option(help="Begin no trial after this long: 90s, 30m, 8h.")]
Device = Annotated[
    str | None, typer.Option(help="The device model whose front to show, where the study file has one for each.")
]
Wide = Annotated[bool, typer.Option("--wide", help="All figures: intervals, ties, masks, before and after.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def example(command: str) -> str:
    """The end of a command's help, to be copied: never wrapped, not even at the hyphen of an option."""
    return f"\b\nExample:\n  {command}"


def spec_of(study: Path, overrides: list[str] | None) -> StudySpec:
    """The study file as the options have it."""
    from ..study_file.loading import load_study_file

    return load_study_file(study, overrides or [])


def seconds(text: str | None) -> float | None:
    """What `--timeout` says."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", text)
    if not found:
        raise QParetoError(f"--timeout {text}: write a number with s, m or h, such as 30m.")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


@contextmanager
def resumable() -> Iterator[None]:
    """Ctrl-C ends this process with a sentence, and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        say("interrupted; what is finished is kept, and the same command goes on from here.")
        sys.exit(130)


def show(
    results: Results,
    spec: StudySpec,
    study: list[str],
    *,
    as_json: bool,
    wide: bool,
    trials: int | None = None,
) -> None:
    """The end of a run on stdout: the front as JSON; or the answer, the front, and what to type next.

    Args:
        study: as of `named`.
        trials: finished trials that it is to have; the spec's own number if None.
    """
    from ..api import view_of_this_device
    from ..show.terminal.study import show_study

    if as_json:
        print_json(results.as_json())
        return
    show_study(view_of_this_device(spec), study, trials=trials or spec.search.trials, wide=wide)


def named(study: Path, overrides: list[str] | None) -> list[str]:
    """How a command names a study: its file, and the options that replace its keys."""
    return [str(study), *(word for override in overrides or () for word in ("--set", override))]


def say(text: str) -> None:
    """One line on stderr, whatever a library's message held."""
    print("qpareto:", " ".join(text.split()), file=sys.stderr)


def print_json(value: object) -> None:
    print(json.dumps(value, indent=2))
