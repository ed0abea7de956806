"""The commands that show a study: its report, its dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .family import AsJson, Device, Overrides, StudyFile, example, print_json, say, spec_of

commands = typer.Typer()


@commands.command(epilog=example("qpareto report studies/quickstart/quickstart.yaml -o report.html"))
def report(
    studies: Annotated[
        list[Path],
        typer.Argument(metavar="STUDY...", help="Study files (YAML); several are compared.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file to write.")] = Path("report.html"),
    png: Annotated[bool, typer.Option("--png", help="Also each figure as a PNG beside it, for slides.")] = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Write one HTML file: the answer, figures, tables.

    It needs no network. Several studies are laid over one another and compared.
    """
    from ..api import write_report

    written = write_report([spec_of(study, overrides) for study in studies], output, png=png)
    print_json([str(path) for path in written]) if as_json else print(*written, sep="\n")


@commands.command(epilog=example("qpareto dashboard studies/quickstart/quickstart.yaml --port 8080"))
def dashboard(
    study: StudyFile,
    host: Annotated[
        str, typer.Option(help="Address to listen at; anything but this machine's own is seen by others.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, help="0 for any that is free.")] = 8080,
    device: Device = None,
    overrides: Overrides = None,
) -> None:
    """Watch a study in optuna-dashboard, while it runs too.

    With notes, our figures and the trials' files. Its address is printed on stdout; Ctrl-C ends it.
    """
    from ..api import Address, dashboard_of_study

    try:
        address = Address(host=host, port=port)
        dashboard_of_study(
            spec_of(study, overrides),
            address,
            study_file=str(study),
            device=device,
            ready=lambda url: print(url, flush=True),
        )
    except KeyboardInterrupt:
        say("the dashboard has ended; the study goes on without it.")
