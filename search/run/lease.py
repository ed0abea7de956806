"""Leases: a running trial is its worker's for as long as that gives signs of life.

One mechanism of our own for every storage. Optuna's heartbeats exist on databases only, not behind its gRPC proxy, and
work with `Study.optimize` alone; what they fail has no reason, and a worker that was only cut off is not told. A lease
is an attribute of the trial itself: it is read along with it and gone when that ends, and whoever renews it too late is
told so by the storage.

No two clocks are compared. A worker counts; who looks on times by its own clock how long a count has stood still, and
leaves out the time in which it did not look or could not, as while the storage was away: others could not write either.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ...errors import StorageError
from ..study.outcome import Outcome
from ..study.processes import Process
from ..study.record import TrialRecord
from ..study.search_study import SearchStudy

BEATS = 4  # signs of life in one lease

_log = logging.getLogger(__name__)


class Heartbeat:
    """Gives signs of life for this worker's trial, from a thread of its own. Use as a context manager."""

    def __init__(self, study: SearchStudy, *, lease_s: float) -> None:
        self._study, self._every_s = study, lease_s / BEATS
        self._number: int | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Heartbeat:
        self._ended = threading.Event()
        threading.Thread(target=self._beat, args=(self._ended,), name="heartbeat", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()  # a beat that waits for the storage is not waited for

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        """Keep a trial alive meanwhile."""
        self._number = number
        try:
            yield
        finally:
            self._number = None

    def _beat(self, ended: threading.Event) -> None:
        count = 0
        while not ended.wait(self._every_s):
            number = self._number
            if number is None:
                continue
            count += 1
            try:
                self._study.beat(number, count)  # if somebody has ended the trial, its worker learns that at its end
            except StorageError as error:
                _log.warning("No sign of life could be given for trial %d: %s", number, error)


@dataclass(frozen=True)
class Lapse:
    """A running trial whose worker is lost: `how` is DIED or VANISHED, `why` tells of it in a sentence."""

    trial: TrialRecord
    how: Outcome
    why: str


class Lookout:
    """Watches running trials from one look to the next, and tells whose leases have lapsed."""

    def __init__(self, *, lease_s: float) -> None:
        self._lease_s, self._last_s = lease_s, time.monotonic()
        self._seen: dict[int, tuple[int, float]] = {}  # trial -> its last count, and for how long that stood still

    def lapsed(self, running: Sequence[TrialRecord]) -> list[Lapse]:
        """Those of which this look shows that their workers are lost. Trials of other tools have no lease."""
        now_s = time.monotonic()
        passed_s = min(now_s - self._last_s, self._lease_s / BEATS)
        self._last_s = now_s
        seen, found = {}, []
        for trial in running:
            if trial.worker is None:
                continue
            count = trial.beat.count if trial.beat else 0
            before = self._seen.get(trial.number)
            silent_s = before[1] + passed_s if before is not None and before[0] == count else 0.0
            seen[trial.number] = count, silent_s
            if (lapse := self._lapse(trial, trial.worker, silent_s)) is not None:
                found.append(lapse)
        self._seen = seen
        return found

    def _lapse(self, trial: TrialRecord, worker: Process, silent_s: float) -> Lapse | None:
        if worker.is_gone():
            return Lapse(trial, Outcome.DIED, f"The process of its worker {worker} has ended.")
        if silent_s > self._lease_s:
            why = f"Its worker {worker} has given no sign of life for {self._lease_s:g} s."
            return Lapse(trial, Outcome.VANISHED, why)
        return None
