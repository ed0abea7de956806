"""A study copied from one storage to another: everything, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import StorageError, StudyError
from .opening import open_storage, shown_url

if TYPE_CHECKING:
    from optuna.study._frozen import FrozenStudy


def copy_study(from_url: str, to_url: str, *, name: str | None = None) -> tuple[str, int]:
    """Copy a study with its attributes and all its trials, which keep their numbers, in one transaction.

    Args:
        name: which study; the only one of the source if None.

    Returns:
        The study's name, and how many trials it has.

    Raises:
        StorageError: one of the storages cannot be opened or fails, or the target is a proxy.
        StudyError: there is no such study or several, its name is taken at the target, or trials are running.
    """
    from optuna.exceptions import DuplicatedStudyError

    if to_url.startswith("grpc://"):
        raise StorageError(f"The target {to_url} is a proxy: name the database behind it.")
    source = open_storage(from_url, create=False)
    study = _chosen(source.get_all_studies(), name)
    trials = source.get_all_trials(study._study_id, deepcopy=False)
    running = [trial.number for trial in trials if trial.state.name == "RUNNING"]
    if running:
        raise StudyError(
            f"Trial {', '.join(map(str, running[:5]))} of the study '{study.study_name}' is running: end its "
            "workers first; what a dead one has left is marked by the next worker that joins."
        )
    try:
        open_storage(to_url).copy_in(study, trials)
    except DuplicatedStudyError:
        raise StudyError(f"The target {shown_url(to_url)} holds a study named '{study.study_name}' already.") from None
    return study.study_name, len(trials)


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
