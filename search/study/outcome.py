"""How a trial ended: more than Optuna's states tell."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a trial ended; `running` as long as it has not."""

    RUNNING = "running"
    COMPLETE = "complete"  # measured in full
    PRUNED = "pruned"  # stopped early, since it was clearly dominated
    FAILED = "failed"  # its candidate could not be quantized, built, run or measured
    QUARANTINED = "quarantined"  # failed, since its candidate or its graph has killed workers
    GIVEN_UP = "given up"  # failed, since too many workers were lost with it
    INTERRUPTED = "interrupted"  # its worker was told to end, or could not go on
    DIED = "died"  # its worker's process is known to have ended, or met a bug
    VANISHED = "vanished"  # its worker has given no sign of life for too long
    WITHDRAWN = "withdrawn"  # another worker was first

    @property
    def has_failed(self) -> bool:
        """Whether its candidate is at fault, or taken to be: it is not tried again."""
        return self in (Outcome.FAILED, Outcome.QUARANTINED, Outcome.GIVEN_UP)

    @property
    def counts(self) -> bool:
        """Whether a budget of trials counts it."""
        return self in (Outcome.COMPLETE, Outcome.PRUNED) or self.has_failed

    @property
    def is_taken(self) -> bool:
        """Whether it counts, or may yet: nobody else needs to measure its candidate."""
        return self.counts or self == Outcome.RUNNING

    @property
    def is_lost(self) -> bool:
        """Whether it ended since its worker was lost."""
        return self in (Outcome.DIED, Outcome.VANISHED)

    @property
    def is_tried_again(self) -> bool:
        """Whether its candidate is measured in another trial, unless somebody has done that."""
        return self.is_lost or self == Outcome.INTERRUPTED
