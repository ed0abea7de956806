"""A study copied from one storage to another: everything, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import StudyError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import FrozenStudy  # type: ignore[attr-defined]  # exported without being listed

MOVING = "moving"  # an attribute of a copy that is not whole yet


def copy_study(source: BaseStorage, target: BaseStorage, *, name: str | None = None) -> tuple[str, int]:
    """Copy a study with its attributes and all its trials, which keep their numbers.

    A copy that was killed midway is started anew by the next; until it is whole, no study is opened from it.

    Args:
        name: which study; the only one of the source if None.

    Returns:
        The study's name, and how many trials it has.

    Raises:
        StudyError: there is no such study or several, its name is taken at the target, or trials are running.
    """
    study = _chosen(source.get_all_studies(), name)
    trials = source.get_all_trials(study._study_id, deepcopy=False)
    running = [trial.number for trial in trials if trial.state.name == "RUNNING"]
    if running:
        raise StudyError(
            f"Trial {', '.join(map(str, running[:5]))} of the study '{study.study_name}' is running: "
            "end its workers first, and wait until what they left is marked."
        )
    _make_room(target, study.study_name)
    copy = target.create_new_study(study.directions, study.study_name)
    try:
        target.set_study_user_attr(copy, MOVING, value=True)
        for trial in sorted(trials, key=lambda one: one.number):
            target.create_new_trial(copy, template_trial=trial)
        for key, value in study.system_attrs.items():
            target.set_study_system_attr(copy, key, value)
        for key, value in study.user_attrs.items():
            target.set_study_user_attr(copy, key, value)
        target.set_study_user_attr(copy, MOVING, value=False)
    except BaseException:
        target.delete_study(copy)
        raise
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


def _make_room(target: BaseStorage, name: str) -> None:
    for study in target.get_all_studies():
        if study.study_name != name:
            continue
        if not study.user_attrs.get(MOVING):
            raise StudyError(f"The target storage holds a study named '{name}' already: move it elsewhere.")
        target.delete_study(study._study_id)
