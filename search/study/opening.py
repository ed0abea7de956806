"""From a study file to its study in the storage: made by exactly one worker, joined by all others."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import StudyError
from ...objectives.objective import directions_of
from ..storage import open_storage
from ..study_file.spec import StudySpec
from .search_study import SearchStudy

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

_MAKING_S = 2.0  # from a study's name to its identity; whoever needs longer was killed in between
_BETWEEN = " @ "  # a study's name and the device model that it is for


def open_study(spec: StudySpec, *, identity: Mapping[str, Any] | None = None, device: str | None = None) -> SearchStudy:
    """Open the study that a study file describes.

    Args:
        identity: JSON-able facts that every measurement of the study shares (model, data, engine, device); given,
            the study is made if it is not there, and held to them if it is. Without, the study must exist.
        device: whose study, where the file has one for each device model; that of the identity, or the only one there
            is, if None.

    Raises:
        StorageError: the storage cannot be reached.
        StudyError: there is no such study, or it was made with other facts.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(spec.storage, create=identity is not None)
    if identity is None:
        return _existing(storage, _stored_name(spec, storage, device))
    device = str(identity.get("device"))
    made_with = dict(identity) | {"objectives": list(spec.objectives)}
    study = _made_or_joined(storage, _name(spec, device), made_with)
    found = SearchStudy(study, storage, objectives=spec.objectives)
    found.hold_to(identity)
    return found


def devices_of_study(spec: StudySpec) -> list[str]:
    """The device models that a study file has studies for, where it has one for each.

    Raises:
        StorageError: the storage cannot be reached.
    """
    return _devices(spec, open_storage(spec.storage, create=False))


def _name(spec: StudySpec, device: str) -> str:
    return f"{spec.name}{_BETWEEN}{device}" if spec.devices == "each" else spec.name


def _devices(spec: StudySpec, storage: BaseStorage) -> list[str]:
    names = [study.study_name for study in storage.get_all_studies()]
    return sorted(name.partition(_BETWEEN)[2] for name in names if name.startswith(spec.name + _BETWEEN))


def _stored_name(spec: StudySpec, storage: BaseStorage, device: str | None) -> str:
    if spec.devices == "one":
        return spec.name
    devices = _devices(spec, storage)
    if device is None and len(devices) == 1:
        device = devices[0]
    if device not in devices:
        told = ", ".join(f"'{one}'" for one in devices) or "none"
        raise StudyError(f"The study '{spec.name}' has a front for each device model: name one of {told}.")
    return _name(spec, device)


def _existing(storage: BaseStorage, name: str) -> SearchStudy:
    import optuna

    try:
        study = optuna.load_study(storage=storage, study_name=name)
    except KeyError:
        raise StudyError(f"The storage holds no study named '{name}': `qpareto run` makes it.") from None
    objectives = _refuse_foreign(study)["objectives"]
    return SearchStudy(study, storage, objectives=objectives)


def _made_or_joined(storage: BaseStorage, name: str, identity: dict[str, Any]) -> Study:
    """The study of this name, ours. The storage lets one worker make it; the others wait until that one has signed."""
    import optuna

    directions = directions_of(identity["objectives"])
    try:
        study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name)
        deadline = time.monotonic() + _MAKING_S
        while _is_blank(study, directions) and time.monotonic() < deadline:
            time.sleep(0.1)
    if _is_blank(study, directions):
        _sign(study, identity)
    _refuse_foreign(study)
    return study


def _is_blank(study: Study, directions: Sequence[str]) -> bool:
    """Whether a study holds nothing yet, of ours or anybody's, and could hold ours."""
    alike = [direction.name.lower() for direction in study.directions] == list(directions)
    return alike and "identity" not in study.user_attrs and not study.get_trials(deepcopy=False)


def _sign(study: Study, identity: dict[str, Any]) -> None:
    """Make a blank study ours."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
        study.set_metric_names(list(identity["objectives"]))  # optuna-dashboard shows them
    study.set_user_attr("identity", identity)  # last: whoever is killed before it starts anew


def _refuse_foreign(study: Study) -> dict[str, Any]:
    """What a study was made with, if it is ours and whole."""
    found: dict[str, Any] | None = study.user_attrs.get("identity")
    if found is None:
        raise StudyError(f"The study '{study.study_name}' was not made by qpareto: give yours another `name`.")
    return found
