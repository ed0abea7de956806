"""From a study file to its study in the storage: made by exactly one worker, joined by all others."""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import StudyError
from ...objectives.objective import directions_of
from ..storage import open_storage
from ..study_file.spec import StudySpec
from .attributes import StudyAttributes
from .identity import FORMAT, Identity
from .search_study import SearchStudy

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_MAKING_S = 2.0  # from a study's name to its identity; whoever needs longer was killed in between
_BETWEEN = " @ "  # a study's name and the device model that it is for


def open_study(
    spec: StudySpec,
    *,
    identity: Identity | None = None,
    reference_ms: Callable[[], float] | None = None,
    device: str | None = None,
) -> SearchStudy:
    """Open the study that a study file describes.

    Args:
        identity: what every measurement of the study shares; given, the study is made if it is not there, and held to
            it if it is. Without, the study must exist.
        reference_ms: times the reference, for a study that is not there yet; its latencies have no unit if None.
        device: whose study, where the file has one for each device model; that of the identity, or the only one there
            is, if None.

    Raises:
        StorageError: the storage cannot be reached.
        StudyError: there is no such study, or it was made with other facts or by a newer program.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(spec.storage, create=identity is not None)
    if identity is None:
        return _existing(storage, _stored_name(spec, storage, device))
    identity = replace(identity, objectives=tuple(spec.objectives))
    found = _made_or_joined(storage, _name(spec, identity.device), identity, reference_ms)
    _refuse_foreign(found)
    found.hold_to(identity)
    if found.identity.format < FORMAT:  # as its trials have told all along
        found.keep(StudyAttributes(reference_ms=found.reference_ms, identity=identity))
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
    found = _loaded(storage, name)
    if found is None:
        raise StudyError(f"The storage holds no study named '{name}': `qpareto run` makes it.")
    _refuse_foreign(found)
    return found


def _loaded(storage: BaseStorage, name: str) -> SearchStudy | None:
    import optuna

    try:
        return SearchStudy(optuna.load_study(storage=storage, study_name=name), storage)
    except KeyError:
        return None


def _made_or_joined(
    storage: BaseStorage, name: str, identity: Identity, reference_ms: Callable[[], float] | None
) -> SearchStudy:
    """The study of this name. The storage lets one worker make it; the others wait until that one has signed.

    The reference is timed before, by all who find no study: what is left is done in a moment.
    """
    import optuna

    directions = directions_of(identity.objectives)
    found = _loaded(storage, name)
    if found is not None and not _is_blank(found, directions):
        return found
    signature = StudyAttributes(reference_ms=reference_ms and reference_ms(), identity=identity)
    try:
        made = optuna.create_study(storage=storage, study_name=name, directions=directions)
    except optuna.exceptions.DuplicatedStudyError:
        found = SearchStudy(optuna.load_study(storage=storage, study_name=name), storage)
        while _is_blank(found, directions):
            if _is_ours_to_make(found, directions):
                _sign(found, signature)
        return found
    found = SearchStudy(made, storage)
    _sign(found, signature)
    return found


def _is_blank(found: SearchStudy, directions: Sequence[str]) -> bool:
    """Whether a study holds nothing yet, of ours or anybody's, and could hold ours."""
    identity = found.stored.identity
    alike = [direction.name.lower() for direction in found.directions] == list(directions)
    return alike and (identity is None or identity.format < FORMAT) and not found.look().trials


def _is_ours_to_make(found: SearchStudy, directions: Sequence[str]) -> bool:
    """Whether this worker is to make a study whose maker does not come to it.

    Of those who say at the same moment that they will, the last one has its word standing a while later, and all see
    it: Fischer's mutual exclusion (Lamport, 'A fast mutual exclusion algorithm', 1987).
    """
    deadline = time.monotonic() + _MAKING_S
    while time.monotonic() < deadline:
        if not _is_blank(found, directions):
            return False
        time.sleep(0.1)
    claim = secrets.token_hex(8)
    found.keep(StudyAttributes(maker=claim))
    time.sleep(_MAKING_S)
    return found.stored.maker == claim and _is_blank(found, directions)


def _sign(found: SearchStudy, signature: StudyAttributes) -> None:
    """Make a blank study ours."""
    from optuna.exceptions import ExperimentalWarning

    assert signature.identity is not None
    with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
        found.study.set_metric_names(list(signature.identity.objectives))  # optuna-dashboard shows them
    found.keep(signature)


def _refuse_foreign(found: SearchStudy) -> None:
    """Refuse a study that is not ours and whole, or of a later format."""
    identity, name = found.stored.identity, found.study.study_name
    if identity is None:
        raise StudyError(f"The study '{name}' was not made by qpareto: give yours another `name`.")
    if identity.format > FORMAT:
        raise StudyError(
            f"The study '{name}' is of format {identity.format}, and this qpareto reads up to {FORMAT}: install the "
            "one that made it, or a newer one."
        )
