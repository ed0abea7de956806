"""Workers that are asked to end, by SIGTERM as Slurm, Kubernetes and a launcher send it, or killed on purpose."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..study.opening import open_study
from ..study.outcome import Outcome
from ..study.record import TrialRecord
from ..study_file.spec import StudySpec
from .worker import Listener

STOPPED = 128 + signal.SIGTERM  # the exit status: not 0, so that a scheduler knows that there is work left

_log = logging.getLogger(__name__)


class GentleStop(SystemExit):
    """A worker was asked to end, and has finished what it had begun."""


class _Stoppable:
    """Passes on what a listener is told, and knows by that whether a trial is running."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._running = self._asked = False

    def begin(self, number: int, what: str, *, finished: int) -> None:
        self._running = True
        self._listener.begin(number, what, finished=finished)

    def end(self, record: TrialRecord) -> None:
        self._listener.end(record)
        self._running = False
        if self._asked:
            raise GentleStop(STOPPED)

    def ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self._running:
            _log.info("Asked to stop: no trial is running.")
            raise GentleStop(STOPPED)
        if not self._asked:
            _log.info("Asked to stop: after the running trial.")
        self._asked = True


@contextmanager
def stoppable(listener: Listener) -> Iterator[Listener]:
    """A listener with which a worker ends on SIGTERM: at once between trials, else when its trial has ended.

    Raises:
        GentleStop: in the worker, and out of this block.
    """
    found = _Stoppable(listener)
    before = signal.signal(signal.SIGTERM, found.ask)
    try:
        yield found
    finally:
        signal.signal(signal.SIGTERM, before)


def mark_interrupted(spec: StudySpec, *, device: str | None = None) -> None:
    """Mark what workers of this machine had begun that were killed on purpose: it is tried again, and no death.

    Raises:
        StorageError: the storage cannot be written; then what is left counts as a death when the next worker looks.
    """
    study = open_study(spec, device=device)
    for trial in study.look().running:
        if trial.worker is not None and trial.worker.is_gone():
            study.fail(trial.number, "Its worker was killed on purpose.", outcome=Outcome.INTERRUPTED)
