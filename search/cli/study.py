"""The commands of a study: run it, show it, confirm it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ...errors import QParetoError
from .family import (
    AsJson,
    Device,
    Overrides,
    StudyFile,
    Timeout,
    Trials,
    example,
    print_json,
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
def front(  # noqa: PLR0913, PLR0917 - one parameter an option
    study: StudyFile,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LIMIT",
            help="Only tell whether a point keeps this limit, and which; may stand several times. Limits: map_drop, "
            "map_share, map50_95, latency_ratio, latency_ms, engine_mib, energy_mj; or yolo-99, yolo-95.",
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw it to this HTML file.")] = None,
    with_others: Annotated[
        bool, typer.Option("--all", help="With --json: also baselines off the front, and trials stopped early.")
    ] = False,
    device: Device = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show a study's front, its baselines and its hypervolume; or answer whether it has what you require.

    With --require the answer alone is printed: exit code 0 for yes, 1 for no, with the nearest points. An error is 1
    too, with nothing on stdout; a script reads "met" of --json. Say for example: --require map_drop=0.01 (absolute
    mAP50-95 below the reference) --require latency_ratio=0.75 (of the reference's latency).
    """
    from ..api import answer_of_view, view_of_spec
    from ..requirements import Requirements
    from ..show.plots import front_figure
    from ..show.plots.files import write_html
    from ..show.requirements import show_answer

    required = Requirements.parse(require) if require else None
    if required and with_others:
        raise QParetoError("--all lists more trials, but --require prints no list: leave one of them out.")
    view = view_of_spec(spec_of(study, overrides), device=device)
    if plot is not None:
        write_html(front_figure(view), plot)
    if required is None:
        show(view.results, as_json=as_json, with_others=with_others)
        return
    answer = answer_of_view(view, required)
    named = [str(study), *(word for override in overrides or () for word in ("--set", override))]
    print_json(answer.as_json()) if as_json else show_answer(answer, named)
    sys.exit(0 if answer.is_met else 1)


@commands.command(epilog=example("qpareto confirm studies/quickstart/quickstart.yaml"))
def confirm(study: StudyFile, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Measure the front and the recipes once more, on images that the search never saw if `data.confirm` names any.

    Each is built anew, the reference too. From then on these figures count. `run` does so by itself at its end if
    `data.confirm` names images.
    """
    from ..api import confirm_study

    show(confirm_study(spec_of(study, overrides)), as_json=as_json)
