"""What can be done with a study: run it, join it, watch it, read it, confirm its front."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..results import Results, results_of_study
from ..run.confirm import confirm_front
from ..run.prepare import check_runs, identity_of_study, scorer_of_spec, space_of_spec
from ..run.progress import Progress, Watch
from ..run.worker import Listener, Silence, Worker
from ..samplers.stock import check_sampler
from ..spec import StudySpec
from ..storage import storage_errors
from ..study import open_study


def run_study(
    spec: StudySpec, *, trials: int | None = None, timeout_s: float | None = None, listener: Listener | None = None
) -> Results:
    """Run a study, or go on with it, until it has its finished trials, the time is up, or its front grows no more.

    Where the study file names images to confirm on, the front's points are then measured once more on those.

    Args:
        trials: finished trials the study is to have, baselines included; the spec's own number if None.
        timeout_s: no trial is begun after this long; the spec's own limit if None.
        listener: told of every trial as it begins and ends.

    Raises:
        QParetoError: the study file, or what it names, is at fault; then the storage is as it was before.
        StorageError, DiskError: later too; what is finished is kept.
    """
    with _worker(spec, listener) as worker:
        _run(worker, trials=trials, timeout_s=timeout_s)
        if spec.data.confirm is not None:
            confirm_front(spec, worker.study, worker.scorer)
        return results_of_study(worker.study)


def join_study(
    spec: StudySpec, *, trials: int | None = None, timeout_s: float | None = None, listener: Listener | None = None
) -> Results:
    """Be one more worker of a study: as `run_study`, but without confirming the front at its end.

    Several may start at the same instant: exactly one makes the study, and all the others join it.

    Raises:
        QParetoError: as for `run_study`.
    """
    with _worker(spec, listener) as worker:
        _run(worker, trials=trials, timeout_s=timeout_s)
        return results_of_study(worker.study)


def progress_of_study(spec: StudySpec, *, trials: int | None = None) -> Progress:
    """Where a study stands. To ask again and again, keep a `Watch`: it reads what has ended once.

    Args:
        trials: finished trials that it is to have; the spec's own number if None.

    Raises:
        StorageError: the storage cannot be read, or there is none yet.
        StudyError: it holds no such study.
    """
    with storage_errors(spec.storage):
        return Watch(spec).progress(trials=trials)


@contextmanager
def _worker(spec: StudySpec, listener: Listener | None) -> Iterator[Worker]:
    """A worker of the study, which is made if it is not there; everything that could refuse it has been checked."""
    scorer = scorer_of_spec(spec)
    check_runs(scorer)
    space = space_of_spec(spec, scorer.layers)
    check_sampler(spec.search.sampler, options=spec.search.sampler_options, switches=len(space.groups))
    identity = identity_of_study(scorer, space)
    _ = scorer.reference  # an engine that cannot be built here is told before there is a study
    with storage_errors(spec.storage):
        study = open_study(spec, identity=identity)
        scorer = replace(scorer, unit_ms=study.reference_ms(lambda: scorer.reference_ms))
        yield Worker(spec=spec, study=study, scorer=scorer, space=space, listener=listener or Silence())


def _run(worker: Worker, *, trials: int | None, timeout_s: float | None) -> None:
    search = worker.spec.search
    if timeout_s is None and search.max_hours is not None:
        timeout_s = search.max_hours * 3600
    worker.run(trials=trials or search.trials, timeout_s=timeout_s)


def results(spec: StudySpec) -> Results:
    """What a study has found so far.

    Raises:
        StorageError: the storage cannot be read, or there is none yet.
        StudyError: it holds no such study.
    """
    with storage_errors(spec.storage):
        return results_of_study(open_study(spec))


def confirm_study(spec: StudySpec) -> Results:
    """Build and measure the points of a study's front once more, and keep both measurements of each.

    Raises:
        QParetoError: as for `run_study`; or there is no such study.
    """
    scorer = scorer_of_spec(spec)
    check_runs(scorer)
    with storage_errors(spec.storage):
        study = open_study(spec)
        study.hold_to(identity_of_study(scorer, space_of_spec(spec, scorer.layers)))
        confirm_front(spec, study, replace(scorer, unit_ms=study.reference_ms(lambda: scorer.reference_ms)))
        return results_of_study(study)
