"""How far a study is, cheap enough to be asked every second: what has ended, who is at work, how long it takes."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ..results.study_results import results_of_study
from ..study.opening import open_study
from ..study.outcome import Outcome
from ..study.record import TrialRecord
from ..study.search_study import Snapshot
from ..study_file.spec import StudySpec

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


_MEASURED = (Outcome.COMPLETE, Outcome.PRUNED)


@dataclass(frozen=True, kw_only=True)
class WorkerSign:
    """A worker that has a trial running.

    Args:
        worker: its host and process id.
        trial: the number of its trial.
        running_s: for how long that runs, by this machine's clock.
        silent_s: seconds since its last sign of life, by the two machines' clocks.
    """

    worker: str
    trial: int
    running_s: float
    silent_s: float


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a study stands.

    Args:
        wanted: finished trials that it is to have.
        outcomes: how many trials ended how.
        hypervolume: of its points, see `Results.hypervolume`.
        workers: those with a trial running, by trial.
        left_s: seconds that the remaining trials take by the median of those that were measured, shared among the
            workers; None before the first is, or while nobody works.
    """

    wanted: int
    outcomes: Mapping[Outcome, int]
    hypervolume: float
    workers: tuple[WorkerSign, ...]
    left_s: float | None

    @property
    def finished(self) -> int:
        """Trials that count: complete, pruned and failed ones."""
        return sum(count for outcome, count in self.outcomes.items() if outcome.counts)

    @property
    def running(self) -> int:
        return self.outcomes.get(Outcome.RUNNING, 0)

    @property
    def failed(self) -> int:
        return sum(count for outcome, count in self.outcomes.items() if outcome.has_failed)


class Watch:
    """Looks at one study again and again; what has ended is read once.

    Raises:
        StorageError: the storage cannot be read, or there is none yet.
        StudyError: it holds no such study.
    """

    def __init__(self, spec: StudySpec, *, device: str | None = None) -> None:
        self._spec, self._study = spec, open_study(spec, device=device)
        self._seen: tuple[int, float] = (-1, 0.0)  # complete trials, and their hypervolume

    def progress(self, *, trials: int | None = None) -> Progress:
        """Where the study stands now.

        Args:
            trials: finished trials that it is to have; the spec's own number if None.
        """
        wanted = trials or self._spec.search.trials
        now = self._study.look()
        outcomes = Counter(record.outcome for record in now.records)
        return Progress(
            wanted=wanted,
            outcomes=dict(outcomes),
            hypervolume=self._hypervolume(now, outcomes[Outcome.COMPLETE]),
            workers=tuple(_sign(record, now.trials[record.number]) for record in now.running),
            left_s=_left_s(now, remaining=wanted - now.finished),
        )

    def _hypervolume(self, now: Snapshot, complete: int) -> float:
        if self._seen[0] != complete:
            self._seen = complete, results_of_study(self._study, now).hypervolume()
        return self._seen[1]


def _sign(record: TrialRecord, trial: FrozenTrial) -> WorkerSign:
    begun = trial.datetime_start or datetime.now()
    running_s = max(0.0, (datetime.now() - begun).total_seconds())
    return WorkerSign(
        worker="another tool" if record.worker is None else str(record.worker),
        trial=trial.number,
        running_s=running_s,
        silent_s=running_s if record.beat is None else max(0.0, time.time() - record.beat.at),
    )


def _left_s(now: Snapshot, *, remaining: int) -> float | None:
    took_s = [
        trial.duration.total_seconds()
        for trial, record in zip(now.trials, now.records, strict=True)
        if record.outcome in _MEASURED and record.reused_from is None and trial.duration is not None
    ]
    if remaining <= 0:
        return 0.0
    if not took_s or not now.running:
        return None
    return statistics.median(took_s) * remaining / min(len(now.running), remaining)
