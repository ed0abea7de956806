"""What can be done with a study: run it, join it, watch it, read it, confirm its front."""

from __future__ import annotations

from dataclasses import replace

from ...objectives.engines import engine_kind
from ...objectives.score import Scorer
from ..results.study_results import Results, results_of_study
from ..run.confirm import confirm_front
from ..run.hook import TrialHook
from ..run.objective import Pipeline
from ..run.plausible import refuse_implausible
from ..run.prepare import check_runs, data_remarks, identity_of_study, scorer_of_spec, space_of_spec
from ..run.progress import Progress, Watch
from ..run.start_from import candidates_from
from ..run.worker import Listener, Silence, Worker
from ..samplers.stock import check_sampler
from ..show.view import StudyView, view_of_study
from ..study.attributes import StudyAttributes
from ..study.opening import open_study
from ..study.search_study import SearchStudy
from ..study_file.spec import StudySpec


def run_study(
    spec: StudySpec, *, trials: int | None = None, timeout_s: float | None = None, listener: Listener | None = None
) -> Results:
    """Run a study, or go on with it, until it has its finished trials, the time is up, or its front grows no more.

    Where the study file names images to confirm on, the front and the recipes are then measured once more on those.

    Args:
        trials: finished trials the study is to have, baselines included; the spec's own number if None.
        timeout_s: no trial is begun after this long; the spec's own limit if None.
        listener: told of every trial as it begins and ends.

    Raises:
        QParetoError: the study file, or what it names, is at fault; then the storage is as it was before.
        StorageError, DiskError: later too; what is finished is kept.
    """
    scorer = _checked_scorer(spec)
    study = _work(spec, scorer, trials=trials, timeout_s=timeout_s, listener=listener)
    if spec.data.confirm is not None:
        confirm_front(spec, study, scorer)
    return results_of_study(study)


def join_study(
    spec: StudySpec, *, trials: int | None = None, timeout_s: float | None = None, listener: Listener | None = None
) -> Results:
    """Be one more worker of a study: as `run_study`, but without confirming the front at its end.

    Several may start at the same instant: exactly one makes the study, and all the others join it.

    Raises:
        QParetoError: as for `run_study`.
    """
    return results_of_study(_work(spec, _checked_scorer(spec), trials=trials, timeout_s=timeout_s, listener=listener))


def progress_of_study(spec: StudySpec, *, trials: int | None = None) -> Progress:
    """Where a study stands. To ask again and again, keep a `Watch`: it reads what has ended once.

    Args:
        trials: finished trials that it is to have; the spec's own number if None.

    Raises:
        StorageError: the storage cannot be read, or there is none yet.
        StudyError: it holds no such study.
    """
    return Watch(spec).progress(trials=trials)


def study_of_this_device(spec: StudySpec) -> SearchStudy:
    """The study that a study file describes, which there must be: of this device where each has one of its own."""
    device = engine_kind(spec.engine.kind).device_name() if spec.devices == "each" else None
    return open_study(spec, device=device)


def view_of_this_device(spec: StudySpec) -> StudyView:
    """What is shown of the study that a study file describes: of this device where each has one of its own."""
    return view_of_study(study_of_this_device(spec))


def _checked_scorer(spec: StudySpec) -> Scorer:
    scorer = scorer_of_spec(spec)
    check_runs(scorer)
    return scorer


def _work(
    spec: StudySpec, scorer: Scorer, *, trials: int | None, timeout_s: float | None, listener: Listener | None
) -> SearchStudy:
    """Work on the study, which is made if it is not there, once everything that could refuse it has been checked."""
    worker = _worker(spec, scorer, listener=listener)
    _refuse_other_kernels(worker.study, scorer)
    worker.run(trials=trials or spec.search.trials, timeout_s=spec.search.limit_s(timeout_s))
    return worker.study


def _worker(spec: StudySpec, scorer: Scorer, *, listener: Listener | None = None) -> Worker:
    """Who is to work on the study, which is made if it is not there, with all that its search stands on."""
    search, space = spec.search, space_of_spec(spec, scorer.layers)
    check_sampler(search.sampler, options=search.sampler_options, switches=len(space.groups))
    identity, known = identity_of_study(spec, scorer, space), candidates_from(search.start_from, space)
    scorer.reference()  # an engine that cannot be built here is told before there is a study
    refuse_implausible(scorer, expected=spec.data.expect_map)
    study = open_study(spec, identity=identity, reference_ms=scorer.reference_ms)
    if (remarks := data_remarks(scorer.images.dataset)) and study.stored.data != remarks:
        study.keep(StudyAttributes(data=remarks))
    scorer = replace(scorer, unit_ms=study.reference_ms)
    objective = Pipeline(scorer=scorer, search=search, objectives=study.objectives, known=known)
    told = listener or Silence()
    if spec.on_trial is not None:
        told = TrialHook(told, spec.on_trial, study=study.study.study_name)
    return Worker(spec=spec, study=study, objective=objective, space=space, listener=told)


def _refuse_other_kernels(study: SearchStudy, scorer: Scorer) -> None:
    """Builds that choose kernels by timing them must choose here as they did where the study was begun."""
    if scorer.kind.chooses_kernels:
        study.hold_to_builds(scorer.spread())


def results(spec: StudySpec, *, device: str | None = None) -> Results:
    """What a study has found so far.

    Args:
        device: on which device model, where the study file has a front for each (`devices_of_study` tells them); the
            only one there is if None.

    Raises:
        StorageError: the storage cannot be read, or there is none yet.
        StudyError: it holds no such study.
    """
    return results_of_study(open_study(spec, device=device))


def confirm_study(spec: StudySpec) -> Results:
    """Build and measure a study's front, its recipes and its reference once more, and keep both measurements of each.

    Workers that do so at once share that out.

    Raises:
        QParetoError: as for `run_study`; or there is no such study.
    """
    scorer = _checked_scorer(spec)
    study = study_of_this_device(spec)
    study.hold_to(identity_of_study(spec, scorer, space_of_spec(spec, scorer.layers)))
    _refuse_other_kernels(study, scorer)
    confirm_front(spec, study, scorer)
    return results_of_study(study)


def prepare_study(spec: StudySpec) -> None:
    """Make the study, and what each of its workers would make first, so that they find it. Raises as `run_study`."""
    _worker(spec, _checked_scorer(spec))


def compare_builds(spec: StudySpec) -> None:
    """Hold the study, which there must be, to its kernels; workers that do so at once share out the builds it takes.

    Raises:
        QParetoError: as for `run_study`.
    """
    _refuse_other_kernels(study_of_this_device(spec), _checked_scorer(spec))
