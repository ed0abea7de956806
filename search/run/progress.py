"""How far a study is, cheap enough to be asked every second: what has ended, who is at work, how long it takes."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ..results import results_of_study
from ..spec import StudySpec
from ..study import FINISHED, SearchStudy, open_study

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, kw_only=True)
class WorkerSign:
    """A worker that has a trial running.

    Args:
        worker: its host and process id.
        trial: the number of its trial.
        running_s: for how long that runs, by this machine's clock.
        silent_s: seconds since its last sign of life, by this machine's clock; None if it gives none.
    """

    worker: str
    trial: int
    running_s: float
    silent_s: float | None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a study stands.

    Args:
        wanted: finished trials that it is to have.
        states: trials by state, see `TrialRecord.state`.
        hypervolume: of its points, see `Results.hypervolume`.
        workers: those with a trial running, by trial.
        left_s: seconds that the remaining trials take by the median of those that were measured, shared among the
            workers; None before the first is, or while nobody works.
    """

    wanted: int
    states: Mapping[str, int]
    hypervolume: float
    workers: tuple[WorkerSign, ...]
    left_s: float | None

    @property
    def finished(self) -> int:
        """Trials that count: complete, pruned and failed ones."""
        return sum(self.states.get(state, 0) for state in FINISHED)

    @property
    def running(self) -> int:
        return self.states.get("running", 0)

    @property
    def failed(self) -> int:
        return self.states.get("failed", 0)


class Watch:
    """Looks at one study again and again; what has ended is read once.

    Raises:
        StorageError: the storage cannot be read, or there is none yet.
        StudyError: it holds no such study.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._spec, self._study = spec, open_study(spec)
        self._seen: tuple[int, float] = (-1, 0.0)  # complete trials, and their hypervolume

    def progress(self, *, trials: int | None = None) -> Progress:
        """Where the study stands now.

        Args:
            trials: finished trials that it is to have; the spec's own number if None.
        """
        wanted = trials or self._spec.search.trials
        records, running = self._study.records(), self._study.running()
        states = Counter(record.state for record in records)
        remaining = wanted - sum(states[state] for state in FINISHED)
        return Progress(
            wanted=wanted,
            states=dict(states),
            hypervolume=self._hypervolume(states["complete"]),
            workers=tuple(_sign(trial) for trial in running),
            left_s=_left_s(self._study, remaining=remaining, workers=len(running)),
        )

    def _hypervolume(self, complete: int) -> float:
        if self._seen[0] != complete:
            self._seen = complete, results_of_study(self._study).hypervolume()
        return self._seen[1]


def _sign(trial: FrozenTrial) -> WorkerSign:
    worker = trial.user_attrs.get("worker") or {"host": "unknown", "pid": 0}
    begun = trial.datetime_start or datetime.now()
    return WorkerSign(
        worker=f"{worker['host']}:{worker['pid']}",
        trial=trial.number,
        running_s=max(0.0, (datetime.now() - begun).total_seconds()),
        silent_s=None,
    )


def _left_s(study: SearchStudy, *, remaining: int, workers: int) -> float | None:
    took_s = study.durations_s()
    if remaining <= 0:
        return 0.0
    if not took_s or not workers:
        return None
    return statistics.median(took_s) * remaining / min(workers, remaining)
