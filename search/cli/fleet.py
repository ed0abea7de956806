"""The commands of many workers: launch a fleet, join one."""

from __future__ import annotations

from typing import Annotated

import typer

from .family import (
    AsJson,
    Overrides,
    StudyFile,
    Timeout,
    Trials,
    Wide,
    example,
    named,
    resumable,
    seconds,
    show,
    spec_of,
)

commands = typer.Typer()


@commands.command(epilog=example("qpareto launch studies/quickstart/quickstart.yaml --workers 2"))
def launch(
    study: StudyFile,
    workers: Annotated[int, typer.Option(min=1, help="How many; several may share a GPU: six do more than two.")],
    trials: Trials = None,
    timeout: Timeout = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS|local", help="On a Ray cluster, where there is room.")
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="CPU cores of each worker, which are its own.")] = None,
    overrides: Overrides = None,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Run a study with many workers, then show its answer.

    They run on this machine, or on a Ray cluster. Each worker is a process with a GPU or cores of its own. One that
    dies is started again. Ctrl-C stops them gently, twice at once.
    """
    from ..api import Fleet, launch_study
    from ..show.terminal.progress import fleet_display

    spec = spec_of(study, overrides)
    fleet = Fleet(workers=workers, ray=ray, cores=cores)
    with resumable(), fleet_display() as watcher:
        found = launch_study(spec, fleet, trials=trials, timeout_s=seconds(timeout), watcher=watcher)
    show(found, spec, named(study, overrides), as_json=as_json, wide=wide, trials=trials)


@commands.command(epilog=example("qpareto worker studies/quickstart/quickstart.yaml"))
def worker(
    study: StudyFile,
    trials: Trials = None,
    timeout: Timeout = None,
    overrides: Overrides = None,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Join a study as one more worker.

    From anywhere that its storage can be reached; at the end it shows the study's answer. SIGTERM stops it gently,
    after the running trial, with exit code 143.
    """
    from ..api import join_study
    from ..run.stopping import stoppable
    from ..show.terminal.progress import progress

    spec = spec_of(study, overrides)
    with resumable(), progress(total=trials or spec.search.trials) as listener, stoppable(listener) as told:
        found = join_study(spec, trials=trials, timeout_s=seconds(timeout), listener=told)
    show(found, spec, named(study, overrides), as_json=as_json, wide=wide, trials=trials)
