"""A study copied from one storage to another: everything, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import StorageError, StudyError
from .opening import open_storage, shown_url

if TYPE_CHECKING:
    from optuna.study._frozen import FrozenStudy
    from optuna.trial import FrozenTrial

    from .patient import PatientStorage


def copy_study(from_url: str, to_url: str, *, name: str | None = None) -> tuple[str, int]:
    """Copy a study with all its trials, which keep their numbers, and then its attributes.

    What fails is undone. A copy that was killed has no attributes, so that nobody takes it for a study of ours.

    Args:
        name: which study; the only one of the source if None.

    Returns:
        The study's name, and how many trials it has.

    Raises:
        StorageError: one of the storages cannot be opened, or fails.
        StudyError: there is no such study or several, its name is taken at the target, or trials are running.
    """
    from optuna.exceptions import DuplicatedStudyError

    source = open_storage(from_url, create=False)
    study = _chosen(source.get_all_studies(), name)
    trials = source.get_all_trials(study._study_id, deepcopy=False)
    running = [trial.number for trial in trials if trial.state.name == "RUNNING"]
    if running:
        raise StudyError(
            f"Trial {', '.join(map(str, running[:5]))} of the study '{study.study_name}' is running: end its "
            "workers first; what a dead one has left is marked by the next worker that joins."
        )
    target = open_storage(to_url)
    try:
        copied = target.create_new_study(study.directions, study.study_name)
    except DuplicatedStudyError:
        raise StudyError(f"The target {shown_url(to_url)} holds a study named '{study.study_name}' already.") from None
    try:
        _copy(study, trials, target, copied)
    except BaseException:
        target.delete_study(copied)
        raise
    return study.study_name, len(trials)


def _copy(study: FrozenStudy, trials: Sequence[FrozenTrial], target: PatientStorage, copied: int) -> None:
    for trial in trials:
        trial_id = target.create_new_trial(copied, trial)
    if trials and target.get_trial_number_from_id(trial_id) != trials[-1].number:
        raise StorageError(f"The storage {target.shown} lost answers, so that a trial stood there twice: try again.")
    for key, value in study.system_attrs.items():
        target.set_study_system_attr(copied, key, value)
    for key, value in study.user_attrs.items():
        target.set_study_user_attr(copied, key, value)


def _chosen(studies: list[FrozenStudy], name: str | None) -> FrozenStudy:
    names = [study.study_name for study in studies]
    if name is None and len(names) == 1:
        return studies[0]
    if name is None:
        told = ", ".join(names[:10]) or "none"
        raise StudyError(f"The storage holds {len(names)} studies ({told}): say which one to move.")
    if name not in names:
        raise StudyError(f"The storage holds no study named '{name}', but: {', '.join(names[:10]) or 'none'}.")
    return studies[names.index(name)]
