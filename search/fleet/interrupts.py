"""Ctrl-C heard by a launcher: once to stop gently, twice to kill."""

from __future__ import annotations

import logging
import signal
from types import FrameType, TracebackType
from typing import Any, Self

from .supervisor import Command

_log = logging.getLogger(__name__)


class Interrupts:
    """While entered, Ctrl-C and SIGTERM are counted instead of ending this process. Of the main thread alone."""

    def __init__(self) -> None:
        self._heard = 0
        self._before: dict[signal.Signals, Any] = {}

    def command(self) -> Command:
        if self._heard == 0:
            return "go on"
        return "stop" if self._heard == 1 else "kill"

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._heard += 1
        if self._heard == 1:
            _log.info("Stopping: trials that run are finished; Ctrl-C once more ends them at once.")
        elif self._heard == 2:
            _log.info("Ending at once: what runs is tried again by the next run.")
