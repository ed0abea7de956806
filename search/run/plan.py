"""A trial about to begin, and whether it may go on once it has: several workers may have begun at the same moment.

Trials have numbers that the storage gives in one order for all. So the rule needs no lock: whoever has begun looks at
the trials before its own, and gives way to them. The first of those that collide never gives way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...spaces.candidate import Candidate
from ..study.outcome import Outcome
from ..study.record import TrialRecord
from ..study.search_study import Snapshot
from .baselines import Baseline


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One trial about to begin."""

    candidate: Candidate
    baseline: Baseline | None = None
    retry_of: int | None = None
    system_attrs: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.baseline.name if self.baseline else str(self.candidate)

    def is_of(self, record: TrialRecord) -> bool:
        """Whether that trial is for the same purpose: this baseline, or this candidate."""
        if self.baseline is not None:
            return record.baseline == self.baseline.name
        return record.baseline is None and record.candidate == str(self.candidate)


def reason_to_withdraw(plan: Plan, number: int, *, seen: Snapshot, now: Snapshot, trials: int) -> str | None:
    """Why a trial that has just begun is not to be measured; None if it is.

    Args:
        number: its own.
        seen: what was known when it was planned. What it repeats of that it repeats on purpose.
        now: what is known since it began.
        trials: finished trials that the study is to have.
    """
    before = now.records[:number]
    taken = now.finished + sum(record.outcome == Outcome.RUNNING for record in before)
    if taken >= trials:
        return f"{trials} trials are finished or being measured."
    for record in before[len(seen.records) :]:
        if record.outcome.is_taken and plan.is_of(record):
            return f"Trial {record.number} began a moment before with the same candidate."
    return None
