"""The study: an ordinary Optuna study, its trials read as records, begun, finished, failed and recovered."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from ..errors import CandidateError, StudyError
from ..objectives.accuracy.race import Stopped
from ..objectives.measurement import DIRECTIONS, Measurement
from ..spaces.candidate import Candidate
from ..spaces.space import Space
from .spec import StudySpec
from .storage import begin_trial, open_storage

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

_CONFIRMED = "confirmed:"  # and a trial's number: a finished trial takes no more attributes, its study does
FINISHED = frozenset({"complete", "pruned", "failed"})  # states of trials that a budget counts
INTERRUPTED = "interrupted"  # the one reason for failing that a resumed run mends by trying again


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial as people and scripts see it.

    Args:
        number: in the study, from 0.
        state: `complete`, `failed`, `running`, `pruned`, or `interrupted` (its worker ended first; it is tried again).
        measurement: of a complete trial; None if another tool told its values.
        baseline: the recipe's name if this trial measures one.
        reused_from: number of the earlier trial with the same effective graph, whose result this one tells.
        reason: why a trial failed.
        params: as Optuna holds them; empty for a baseline outside the space.
        stopped: what was seen of a pruned trial, `stopped_graph` the canonical hash of its graph; None if another tool
            pruned it, and for all others.
    """

    number: int
    state: str
    measurement: Measurement | None
    baseline: str | None
    reused_from: int | None
    reason: str | None
    params: Mapping[str, Any]
    stopped: Stopped | None = None
    stopped_graph: str | None = None


class SearchStudy:
    """A study in its storage. `open_study` makes one."""

    def __init__(self, study: Study, storage: BaseStorage, *, objectives: Sequence[str]) -> None:
        self.study, self._storage = study, storage
        self.objectives = tuple(objectives)
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._ended: dict[int, TrialRecord] = {}  # which do not change any more, so they are read once

    @property
    def directions(self) -> list[StudyDirection]:
        return list(self.study.directions)

    @property
    def float_type(self) -> str:
        """What layers outside the mask run in, in every trial but some baselines."""
        return str(self.study.user_attrs["identity"]["engine"]["float_type"])

    def hold_to(self, identity: Mapping[str, Any]) -> None:
        """Refuse to go on with other facts than those that the study was made with.

        Raises:
            StudyError: the first fact that differs.
        """
        stored, found = self.study.user_attrs["identity"], {**identity, "objectives": list(self.objectives)}
        for key in sorted(stored.keys() | found.keys()):
            if stored.get(key) != found.get(key):
                raise StudyError(
                    f"The study '{self.study.study_name}' was made with {key} {stored.get(key)!r}, but now it is "
                    f"{found.get(key)!r}: its figures would not compare, so undo the change, or give the changed "
                    "study another `name`."
                )

    def reference_ms(self, found: Callable[[], float]) -> float:
        """The milliseconds in which this study tells latencies: found once, the same for all its workers ever after."""
        if "reference_ms" not in self.study.user_attrs:
            self.study.set_user_attr("reference_ms", found())
        return float(self.study.user_attrs["reference_ms"])

    def frozen_trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def records(self) -> list[TrialRecord]:
        """All trials, in the order in which they were begun."""
        return [self._ended.get(trial.number) or self._read(trial) for trial in self.frozen_trials()]

    def running(self) -> list[FrozenTrial]:
        """Trials that have begun and not ended."""
        return [trial for trial in self.frozen_trials() if not trial.state.is_finished()]

    def durations_s(self) -> list[float]:
        """How long each trial took that was measured, in seconds."""
        return [
            trial.duration.total_seconds()
            for trial in self.frozen_trials()
            if trial.duration is not None and "reused_from" not in trial.user_attrs and trial.state.name != "FAIL"
        ]

    def _read(self, trial: FrozenTrial) -> TrialRecord:
        record = _record(trial)
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
        system_attrs: Mapping[str, Any] | None = None,
    ) -> int:
        """Write a running trial in one transaction, signed by this process; returns its number.

        A candidate outside the space (some baselines) is written without parameters, so that no sampler learns of it.
        """
        inside = space.accepts(candidate)
        attrs = {"candidate": str(candidate), "baseline": baseline, "retry_of": retry_of, "worker": _this_worker()}
        return begin_trial(
            self._storage,
            self._study_id,
            params=space.params(candidate) if inside else {},
            distributions=space.distributions() if inside else {},
            user_attrs={key: value for key, value in attrs.items() if value is not None},
            system_attrs=system_attrs or {},
        )

    def finish(self, number: int, measurement: Measurement, *, reused_from: int | None = None) -> None:
        """Tell a trial's values; the measurement is kept with it.

        Raises:
            CandidateError: the measurement lacks one of the objectives; the trial is still running.
        """
        values = measurement.values(self.objectives)
        if reused_from is not None:
            self._remember(number, "reused_from", reused_from)
        self._remember(number, "measurement", measurement.as_json())
        self.study.tell(number, values)

    def prune(self, number: int, stopped: Stopped, *, graph_hash: str, reused_from: int | None = None) -> None:
        """Record a trial as pruned, with what was seen of it; never with values."""
        import optuna

        if reused_from is not None:
            self._remember(number, "reused_from", reused_from)
        self._remember(number, "stopped_graph", graph_hash)
        self._remember(number, "stopped", stopped.as_json())
        self.study.tell(number, state=optuna.trial.TrialState.PRUNED)

    def fail(self, number: int, reason: str) -> None:
        """Record a trial as failed, with its reason; never with values."""
        import optuna

        self._remember(number, "reason", reason)
        self.study.tell(number, state=optuna.trial.TrialState.FAIL)

    def confirm(self, number: int, found: Measurement | CandidateError) -> None:
        """Keep what a trial's candidate scored when it was built and measured once more, or why it could not be."""
        told = {"reason": str(found)} if isinstance(found, CandidateError) else found.as_json()
        self.study.set_user_attr(f"{_CONFIRMED}{number}", told)

    def confirmations(self) -> dict[int, Measurement | CandidateError]:
        """By trial number, what `confirm` has kept."""
        return {
            int(key.removeprefix(_CONFIRMED)): _confirmation(told)
            for key, told in self.study.user_attrs.items()
            if key.startswith(_CONFIRMED)
        }

    def recover(self) -> int:
        """Mark running trials whose worker is gone as interrupted; returns how many.

        Only workers of this machine can be known to be gone.
        """
        import optuna

        running = [t for t in self.frozen_trials() if t.state == optuna.trial.TrialState.RUNNING]
        gone = [trial for trial in running if _is_gone(trial.user_attrs.get("worker"))]
        for trial in gone:
            self.fail(trial.number, INTERRUPTED)
        return len(gone)

    def _remember(self, number: int, key: str, value: Any) -> None:
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        self._storage.set_trial_user_attr(trial_id, key, value)


def open_study(spec: StudySpec, *, identity: Mapping[str, Any] | None = None) -> SearchStudy:
    """Open the study that a study file describes.

    Args:
        identity: JSON-able facts that every measurement of the study shares (model, data, engine, device); given,
            the study is made if it is not there, and held to them if it is. Without, the study must exist.

    Raises:
        StorageError: the storage cannot be reached.
        StudyError: there is no such study, or it was made with other facts.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(spec.storage, create=identity is not None)
    if identity is not None:
        directions = [DIRECTIONS[name] for name in spec.objectives]
        study = optuna.create_study(storage=storage, study_name=spec.name, directions=directions, load_if_exists=True)
        if _is_blank(study, directions):
            _adopt(study, dict(identity) | {"objectives": list(spec.objectives)})
    else:
        try:
            study = optuna.load_study(storage=storage, study_name=spec.name)
        except KeyError:
            raise StudyError(f"The storage holds no study named '{spec.name}': `qpareto run` makes it.") from None
    if "identity" not in study.user_attrs:
        raise StudyError(f"The study '{spec.name}' was not made by qpareto: give yours another `name`.")
    if identity is None:
        return SearchStudy(study, storage, objectives=study.user_attrs["identity"]["objectives"])
    found = SearchStudy(study, storage, objectives=spec.objectives)
    found.hold_to(identity)
    return found


def _is_blank(study: Study, directions: Sequence[str]) -> bool:
    """Whether a study holds nothing yet, of ours or anybody's, and could hold ours."""
    alike = [direction.name.lower() for direction in study.directions] == list(directions)
    return alike and "identity" not in study.user_attrs and not study.get_trials(deepcopy=False)


def _adopt(study: Study, identity: dict[str, Any]) -> None:
    """Make a blank study ours."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
        study.set_metric_names(list(identity["objectives"]))  # optuna-dashboard shows them
    study.set_user_attr("identity", identity)  # last: whoever is killed before it starts anew


def stopped_of_trial(trial: FrozenTrial) -> Stopped | None:
    """What was seen of a pruned trial; None for all others, and if another tool pruned it."""
    told = trial.user_attrs.get("stopped") if trial.state.name == "PRUNED" else None
    return None if told is None else Stopped.from_json(told)


def _record(trial: FrozenTrial) -> TrialRecord:
    attrs = trial.user_attrs
    reason = attrs.get("reason")
    states = {"COMPLETE": "complete", "FAIL": "failed", "RUNNING": "running", "WAITING": "running", "PRUNED": "pruned"}
    measured = attrs.get("measurement") if trial.state.name == "COMPLETE" else None  # others can tell values too
    return TrialRecord(
        number=trial.number,
        state=INTERRUPTED if reason == INTERRUPTED else states[trial.state.name],
        measurement=None if measured is None else Measurement.from_json(measured),
        baseline=attrs.get("baseline"),
        reused_from=attrs.get("reused_from"),
        reason=reason,
        params=trial.params,
        stopped=stopped_of_trial(trial),
        stopped_graph=attrs.get("stopped_graph"),
    )


def _confirmation(told: Mapping[str, Any]) -> Measurement | CandidateError:
    return CandidateError(told["reason"]) if "reason" in told else Measurement.from_json(told)


def _this_worker() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def _is_gone(worker: Mapping[str, Any] | None) -> bool:
    """Whether the process that signed a trial is known to have ended: same machine, and no such process any more."""
    if worker is None or worker["host"] != socket.gethostname():
        return False
    try:
        started: float = worker["started"]
        return abs(psutil.Process(worker["pid"]).create_time() - started) > 1.0
    except psutil.NoSuchProcess:
        return True
