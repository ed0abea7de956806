"""The commands about this machine and its editor: what runs here, what a study file may hold."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ...errors import QParetoError
from .family import AsJson, example, print_json

commands = typer.Typer()


@commands.command(epilog=example("qpareto doctor"))
def doctor(
    self_test: Annotated[
        bool,
        typer.Option("--self-test", help="Build, run and time engines here: a line a check, exit code 1 if any fails."),
    ] = False,
    engine: Annotated[str | None, typer.Option(metavar="KIND", help="Only this kind of engine.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="Self-test with this .onnx; the quickstart's model if not named.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell which engines can be built and run here.

    Those that cannot come with what mends them; the CPU's also with how many cores this container may use.
    """
    from ...objectives.engines import KINDS
    from ..api import engines_here
    from ..show.terminal.candidate import show_doctor

    kinds = [engine] if engine else list(KINDS)
    if self_test:
        _self_test(kinds, model, as_json=as_json)
        return
    if model is not None:
        raise QParetoError("--model names the model of --self-test: add that, or leave --model out.")
    found = engines_here(kinds)
    print_json(found) if as_json else show_doctor(found)


def _self_test(kinds: list[str], model: Path | None, *, as_json: bool) -> None:
    from ..api import self_test_of_engines

    checks = []
    for check in self_test_of_engines(model, kinds=kinds):
        checks.append(check)
        if not as_json:
            print(f"{check.outcome:<7}  {check.engine}: {check.name}  ({check.detail})", flush=True)
    if as_json:
        print_json([asdict(check) for check in checks])
    if any(check.outcome == "failed" for check in checks):
        sys.exit(1)


@commands.command(epilog=example("qpareto schema > qpareto.schema.json"))
def schema() -> None:
    """Print the JSON schema of study files, for editors."""
    from ..study_file.spec import StudySpec

    print_json(StudySpec.model_json_schema())
