"""The study: an ordinary Optuna study that many workers share, its trials begun, kept alive and ended once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...errors import CandidateError, StudyError
from ...objectives.accuracy.race import Stopped
from ...objectives.engines import KINDS, engine_kind
from ...objectives.measurement import Measurement
from ...objectives.objective import values_of
from ...spaces.candidate import Candidate
from ...spaces.space import Space
from .processes import this_process
from .record import FINISHED, TrialRecord, record_of_trial

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

# and a trial's number: a finished trial takes no more attributes, its study does
_CONFIRMED, _EXPORTED = "confirmed:", "exported:"
_BEAT = "beat"


@dataclass(frozen=True)
class Snapshot:
    """All trials of a study at one moment, in the order in which they were begun."""

    trials: Sequence[FrozenTrial]
    records: Sequence[TrialRecord]

    @cached_property
    def finished(self) -> int:
        """How many trials count."""
        return sum(record.state in FINISHED for record in self.records)

    @cached_property
    def running(self) -> list[FrozenTrial]:
        """Trials that have begun and not ended."""
        return [trial for trial in self.trials if not trial.state.is_finished()]

    @property
    def taken(self) -> int:
        """How many trials count or may yet."""
        return self.finished + len(self.running)

    @property
    def unit_ms(self) -> float | None:
        """The milliseconds of the reference, in which the study tells latencies: what its first trial says of them.

        Trials have an order that all workers agree on, so all agree on this too, whoever began at the same moment.
        """
        return next((float(t.user_attrs["unit_ms"]) for t in self.trials if "unit_ms" in t.user_attrs), None)


class SearchStudy:
    """A study in its storage. `open_study` makes one.

    A trial ends once: the storage takes the first who ends it, in one atomic step, and tells all others that they
    came too late. What they wrote before that step belongs to nobody and is not read.
    """

    def __init__(self, study: Study, storage: BaseStorage, *, objectives: Sequence[str]) -> None:
        self.study, self.storage = study, storage
        self.objectives = tuple(objectives)
        self.id = storage.get_study_id_from_name(study.study_name)
        self._ended: dict[int, TrialRecord] = {}  # which do not change any more, so they are read once

    @cached_property
    def directions(self) -> list[StudyDirection]:
        return list(self.study.directions)

    @cached_property
    def float_type(self) -> str:
        """What layers outside the mask run in, in every trial but some baselines."""
        return str(self.study.user_attrs["identity"]["engine"]["float_type"])

    def hold_to(self, identity: Mapping[str, Any]) -> None:
        """Refuse to go on with other facts than those that the study was made with.

        Raises:
            StudyError: the first fact that differs.
        """
        stored, found = dict(self.study.user_attrs["identity"]), {**identity, "objectives": list(self.objectives)}
        if (kind := stored["engine"].get("kind")) in KINDS:
            stored["engine"] = engine_kind(kind).options.as_now(stored["engine"])
        for key in sorted(stored.keys() | found.keys()):
            was, now = stored.get(key), found.get(key)
            if was == now:
                continue
            if key == "engine":
                both: tuple[dict[str, Any], dict[str, Any]] = was or {}, now or {}
                names = [name for name in both[0] | both[1] if both[0].get(name) != both[1].get(name)]
                was, now = ({name: told.get(name, "its default") for name in names} for told in both)
            raise StudyError(
                f"The study '{self.study.study_name}' was made with {key} {was!r}, but now it is {now!r}: its figures "
                "would not compare, so undo the change, or give the changed study another `name`."
            )

    def look(self) -> Snapshot:
        """Read all trials: those that have ended only once."""
        trials = self.storage.get_all_trials(self.id, deepcopy=False)
        return Snapshot(trials, [self._ended.get(trial.number) or self._read(trial) for trial in trials])

    def records(self) -> Sequence[TrialRecord]:
        """All trials, in the order in which they were begun."""
        return self.look().records

    def _read(self, trial: FrozenTrial) -> TrialRecord:
        record = record_of_trial(trial)
        if trial.state.is_finished():
            self._ended[trial.number] = record
        return record

    def begin(
        self,
        *,
        space: Space,
        candidate: Candidate,
        baseline: str | None = None,
        retry_of: int | None = None,
        unit_ms: float | None = None,
        system_attrs: Mapping[str, Any] | None = None,
    ) -> int:
        """Write a running trial in one transaction, signed by this process; returns its number.

        A candidate outside the space (some baselines) is written without parameters, so that no sampler learns of it.

        Args:
            unit_ms: see `Snapshot.unit_ms`; to be told while no trial has.
        """
        from optuna.trial import TrialState, create_trial

        from ..storage.patient import TOKEN

        inside = space.accepts(candidate)
        attrs: dict[str, Any] = {
            "candidate": str(candidate),
            "baseline": baseline,
            "retry_of": retry_of,
            "unit_ms": unit_ms,
            "worker": this_process(),
            TOKEN: secrets.token_hex(8),
        }
        template = create_trial(
            state=TrialState.RUNNING,
            params=space.params(candidate) if inside else {},
            distributions=space.distributions() if inside else {},
            user_attrs={key: value for key, value in attrs.items() if value is not None},
            system_attrs=dict(system_attrs or {}),
        )
        trial_id = self.storage.create_new_trial(self.id, template_trial=template)
        return self.storage.get_trial_number_from_id(trial_id)

    def beat(self, number: int, count: int) -> bool:
        """Give a sign of life for a running trial; False if somebody has ended it meanwhile."""
        return self._remember(number, {_BEAT: {"count": count, "at": time.time()}})

    def know_graph(self, number: int, graph_hash: str) -> bool:
        """Tell others which graph a running trial is about; False if somebody has ended it meanwhile."""
        return self._remember(number, {"graph": graph_hash})

    def finish(self, number: int, measurement: Measurement, *, reused_from: int | None = None) -> bool:
        """Tell a trial's values; the measurement is kept with it.

        Returns:
            Whether they count: False if somebody has ended the trial meanwhile.

        Raises:
            CandidateError: the measurement lacks one of the objectives; the trial is still running.
        """
        values = values_of(measurement, self.objectives)
        told = {"reused_from": reused_from, "measurement": measurement.as_json()}
        return self._end(number, "COMPLETE", told, values=values)

    def prune(self, number: int, stopped: Stopped, *, graph_hash: str, reused_from: int | None = None) -> bool:
        """Record a trial as pruned, with what was seen of it; never with values. Returns as `finish` does."""
        told = {"reused_from": reused_from, "stopped_graph": graph_hash, "stopped": stopped.as_json()}
        return self._end(number, "PRUNED", told)

    def fail(self, number: int, reason: str) -> bool:
        """Record a trial as failed, with its reason; never with values. Returns as `finish` does."""
        return self._end(number, "FAIL", {"reason": reason})

    def confirm(self, number: int, found: Measurement | CandidateError) -> None:
        """Keep what a trial's candidate scored when it was built and measured once more, or why it could not be."""
        told = {"reason": str(found)} if isinstance(found, CandidateError) else found.as_json()
        self.study.set_user_attr(f"{_CONFIRMED}{number}", told)

    def confirmations(self) -> dict[int, Measurement | CandidateError]:
        """By trial number, what `confirm` has kept."""
        return {number: _confirmation(told) for number, told in self._kept(_CONFIRMED)}

    def keep_export(self, number: int, found: Measurement) -> None:
        """Keep what a trial's candidate scored as it was built and measured anew for an export; the last one counts."""
        self.study.set_user_attr(f"{_EXPORTED}{number}", found.as_json())

    def exports(self) -> dict[int, Measurement]:
        """By trial number, what `keep_export` has kept."""
        return {number: Measurement.from_json(told) for number, told in self._kept(_EXPORTED)}

    def _kept(self, prefix: str) -> Iterator[tuple[int, Any]]:
        for key, told in self.study.user_attrs.items():
            if key.startswith(prefix):
                yield int(key.removeprefix(prefix)), told

    def _end(self, number: int, state: str, told: Mapping[str, Any], *, values: Sequence[float] | None = None) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        if not self._remember(number, told):
            return False
        try:
            return self.storage.set_trial_state_values(self._trial_id(number), TrialState[state], values)
        except UpdateFinishedTrialError:
            return False

    def _remember(self, number: int, attrs: Mapping[str, Any]) -> bool:
        """Write attributes of a running trial; False if it has ended."""
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            for key, value in attrs.items():
                if value is not None:
                    self.storage.set_trial_user_attr(self._trial_id(number), key, value)
        except UpdateFinishedTrialError:
            return False
        return True

    def _trial_id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.id, number)


def beat_of_trial(trial: FrozenTrial) -> tuple[int, float | None]:
    """A running trial's last sign of life: its count from 0, and when that was, by its worker's clock (Unix time)."""
    told = trial.user_attrs.get(_BEAT)
    return (0, None) if told is None else (int(told["count"]), float(told["at"]))


def _confirmation(told: Mapping[str, Any]) -> Measurement | CandidateError:
    return CandidateError(told["reason"]) if "reason" in told else Measurement.from_json(told)
