"""A trial as people and scripts see it: its state, what it found, and why it failed or does not count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...objectives.accuracy.race import Stopped
from ...objectives.measurement import Measurement

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FINISHED = frozenset({"complete", "pruned", "failed"})  # states of the trials that a budget counts

# How a failed trial's reason begins that does not count. All but the last are tried again.
INTERRUPTED = "interrupted"  # its worker was told to end, or could not go on
DIED = "died"  # its worker's process is known to have ended, or failed with a bug
VANISHED = "vanished"  # its worker has given no sign of life for too long
WITHDRAWN = "withdrawn"  # another worker was first
LOST = frozenset({DIED, VANISHED})
QUARANTINED, GIVEN_UP = "quarantined", "given up"  # how the reason of one begins that counts: not tried again

_STATES = {"COMPLETE": "complete", "FAIL": "failed", "RUNNING": "running", "WAITING": "running", "PRUNED": "pruned"}


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial.

    Args:
        number: in the study, from 0.
        state: `complete`, `failed`, `running`, `pruned`, `interrupted` (its worker ended first; it is tried again) or
            `withdrawn` (another worker was first).
        measurement: of a complete trial; None if another tool told its values.
        baseline: the recipe's name if this trial measures one.
        reused_from: number of the earlier trial with the same effective graph, whose result this one tells.
        reason: why a trial failed, or does not count.
        params: as Optuna holds them; empty for a baseline outside the space.
        stopped: what was seen of a pruned trial, `stopped_graph` the canonical hash of its graph; None if another tool
            pruned it, and for all others.
        candidate: what it measures, in words; None if another tool began it.
        graph: canonical hash of its graph, once that is known.
        retry_of: number of the trial that this one tries again.
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
    candidate: str | None = None
    graph: str | None = None
    retry_of: int | None = None

    @property
    def ended_as(self) -> str:
        """How the reason begins: one of the words above of a trial that does not count or is not tried again."""
        return (self.reason or "").partition(":")[0]


def record_of_trial(trial: FrozenTrial) -> TrialRecord:
    """Read a trial as Optuna holds it, whoever wrote it."""
    attrs, state = trial.user_attrs, _STATES[trial.state.name]
    # Two may have been about to end it: what the other one wrote does not belong to how it ended.
    reason = attrs.get("reason") if state == "failed" else None
    measured = attrs.get("measurement") if state == "complete" else None  # others can tell values too
    return TrialRecord(
        number=trial.number,
        state=_state(state, (reason or "").partition(":")[0]),
        measurement=None if measured is None else Measurement.from_json(measured),
        baseline=attrs.get("baseline"),
        reused_from=attrs.get("reused_from"),
        reason=reason,
        params=trial.params,
        stopped=stopped_of_trial(trial),
        stopped_graph=attrs.get("stopped_graph"),
        candidate=attrs.get("candidate"),
        graph=attrs.get("graph"),
        retry_of=attrs.get("retry_of"),
    )


def stopped_of_trial(trial: FrozenTrial) -> Stopped | None:
    """What was seen of a pruned trial; None for all others, and if another tool pruned it."""
    told = trial.user_attrs.get("stopped") if trial.state.name == "PRUNED" else None
    return None if told is None else Stopped.from_json(told)


def _state(state: str, ended_as: str) -> str:
    if ended_as == WITHDRAWN:
        return WITHDRAWN
    return INTERRUPTED if ended_as in LOST | {INTERRUPTED} else state
