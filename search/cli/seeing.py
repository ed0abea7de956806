"""The commands that show a study: its report, its dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .family import AsJson, Overrides, example, print_json, spec_of

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
    """Write a study, or several compared, as one HTML file that needs no network: the answer, figures, tables."""
    from ..api import write_report

    written = write_report([spec_of(study, overrides) for study in studies], output, png=png)
    print_json([str(path) for path in written]) if as_json else print(*written, sep="\n")
