"""The commands of a study: run it, show it, confirm it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .family import (
    AsJson,
    Device,
    Overrides,
    StudyFile,
    Timeout,
    Trials,
    example,
    resumable,
    seconds,
    show,
    spec_of,
)

commands = typer.Typer()


@commands.command(epilog=example("qpareto run studies/quickstart/quickstart.yaml --trials 40"))
def run(
    study: StudyFile,
    trials: Trials = None,
    timeout: Timeout = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Run a study, or go on with it, until it has its trials; then show its front."""
    from ..api import run_study
    from ..show.terminal import progress

    spec = spec_of(study, overrides)
    with resumable(), progress(total=trials or spec.search.trials) as listener:
        results = run_study(spec, trials=trials, timeout_s=seconds(timeout), listener=listener)
    show(results, as_json=as_json)


@commands.command(epilog=example("qpareto front studies/quickstart/quickstart.yaml --json"))
def front(
    study: StudyFile,
    plot: Annotated[Path | None, typer.Option(help="Also draw it to this HTML file.")] = None,
    with_others: Annotated[
        bool, typer.Option("--all", help="With --json: also baselines off the front, and trials stopped early.")
    ] = False,
    device: Device = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show a study's front, its baselines and its hypervolume."""
    from ..api import view_of_spec
    from ..show.plots import front_figure
    from ..show.plots.files import write_html

    view = view_of_spec(spec_of(study, overrides), device=device)
    if plot is not None:
        write_html(front_figure(view), plot)
    show(view.results, as_json=as_json, with_others=with_others)


@commands.command(epilog=example("qpareto confirm studies/quickstart/quickstart.yaml"))
def confirm(study: StudyFile, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Build and measure the front's engines once more, on images that the search never saw if `data.confirm` names any.

    `run` does so by itself at its end if it does.
    """
    from ..api import confirm_study

    show(confirm_study(spec_of(study, overrides)), as_json=as_json)
