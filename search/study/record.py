"""A trial as people and scripts see it: how it ended, what it found, and why it failed or does not count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .attributes import TrialAttributes
from .outcome import Outcome

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_STATES = {
    "COMPLETE": Outcome.COMPLETE,
    "PRUNED": Outcome.PRUNED,
    "RUNNING": Outcome.RUNNING,
    "WAITING": Outcome.RUNNING,
}  # of a trial that failed Optuna tells no more


@dataclass(frozen=True, kw_only=True)
class TrialRecord(TrialAttributes):
    """One trial: its attributes, as far as they belong to how it ended.

    Without a measurement, what was seen of it, or a candidate it was begun or ended by another tool.

    Args:
        number: in the study, from 0.
        params: as Optuna holds them; empty for a baseline outside the space.
    """

    number: int
    outcome: Outcome
    params: Mapping[str, Any]


def record_of_trial(trial: FrozenTrial) -> TrialRecord:
    """Read a trial as Optuna holds it, whoever wrote it."""
    told, ended = TrialAttributes.from_stored(trial.user_attrs), _STATES.get(trial.state.name)
    # Two may have been about to end it: what the other one wrote does not belong to how it ended.
    own = {
        "outcome": ended or told.outcome or Outcome.FAILED,
        "reason": None if ended else told.reason,
        "measurement": told.measurement if ended == Outcome.COMPLETE else None,
        "stopped": told.stopped if ended == Outcome.PRUNED else None,
    }
    return TrialRecord(**{**vars(told), **own, "number": trial.number, "params": trial.params})
