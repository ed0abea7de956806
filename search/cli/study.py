"""The commands of a study: run it, show it, confirm it."""

from __future__ import annotations

import json
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
    Wide,
    example,
    named,
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
    start_from: Annotated[
        list[Path] | None,
        typer.Option(
            help="Measure first what this study file's front holds, or the mask in this file; may stand several times."
        ),
    ] = None,
    overrides: Overrides = None,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Run a study, or go on with it, then show its answer.

    It ends when the study has its trials: the baselines first, then the search. The answer comes in two sentences, with
    the front, and with what to type next.
    """
    from ..api import run_study
    from ..show.terminal.progress import progress

    spec = spec_of(study, [*(overrides or ()), *_started_from(start_from)])
    with resumable(), progress(total=trials or spec.search.trials) as listener:
        results = run_study(spec, trials=trials, timeout_s=seconds(timeout), listener=listener)
    show(results, spec, named(study, overrides), as_json=as_json, wide=wide, trials=trials)


def _started_from(paths: list[Path] | None) -> list[str]:
    """The option as an override, by absolute paths: those of a study file are relative to its folder."""
    return [f"search.start_from={json.dumps([str(path.absolute()) for path in paths])}"] if paths else []


@commands.command(epilog=example("qpareto front studies/quickstart/quickstart.yaml --json"))
def front(
    study: StudyFile,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LIMIT",
            help="Only tell whether a point keeps this limit, and which; may stand several times. Limits: map_drop, "
            "map_share, map50_95, ap[CLASS], latency_ratio, latency_ms, engine_mib, energy_mj; or yolo-99, yolo-95; of "
            "a classifier top1_drop, top1_share, top1.",
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw it to this HTML file.")] = None,
    with_others: Annotated[
        bool, typer.Option("--all", help="With --json: also baselines off the front, and trials stopped early.")
    ] = False,
    wide: Wide = False,
    device: Device = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show what to ship, the front, and what to type next.

    With --require the answer alone is printed: exit code 0 for yes, 1 for no, with the nearest points. An error is 1
    too, with nothing on stdout; a script reads "met" of --json. Say for example: --require map_drop=0.01 (absolute
    mAP50-95 below the reference) --require latency_ratio=0.75 (of the reference's latency).
    """
    from ..api import answer_of_view, view_of_spec
    from ..results.requirements import Requirements
    from ..show.plots import front_figure
    from ..show.plots.files import write_html
    from ..show.terminal.requirements import show_answer
    from ..show.terminal.study import show_study

    required = Requirements.parse(require) if require else None
    if required and with_others:
        raise QParetoError("--all lists more trials, but --require prints no list: leave one of them out.")
    spec = spec_of(study, overrides)
    view = view_of_spec(spec, device=device)
    if plot is not None:
        write_html(front_figure(view), plot)
    if required is None:
        if as_json:
            print_json(view.results.as_json(others=with_others))
        else:
            show_study(view, named(study, overrides), trials=spec.search.trials, wide=wide)
        return
    answer = answer_of_view(view, required)
    print_json(answer.as_json()) if as_json else show_answer(answer, named(study, overrides))
    sys.exit(0 if answer.is_met else 1)


@commands.command(epilog=example("qpareto confirm studies/quickstart/quickstart.yaml"))
def confirm(study: StudyFile, overrides: Overrides = None, wide: Wide = False, as_json: AsJson = False) -> None:
    """Measure the front once more, on unseen images if any.

    The baselines and the reference too: each is built anew, and scored on the images that `data.confirm` names. From
    then on these figures count. `run` does so by itself at its end if it names any.
    """
    from ..api import confirm_study

    spec = spec_of(study, overrides)
    show(confirm_study(spec), spec, named(study, overrides), as_json=as_json, wide=wide)
