"""One worker in a process of its own, with a log of its own."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from ...objectives.isolation.process import kill_group, started
from .place import Ending, Work

_SCRIPT = Path(__file__).with_name("worker_main.py")
_TAIL_BYTES = 4096  # of a log: its last line is somewhere in it


class WorkerProcess:
    """A started worker. It hears no Ctrl-C of this terminal, and stops gently when this process is gone.

    Args:
        work: see `Work`.
        log_path: gets everything that it prints, behind what an earlier one has printed.
        env: variables set for it, above those of this process.
        cores: the only CPU cores it may use, and whatever it starts; any if empty.

    Raises:
        DiskError: the log cannot be written.
    """

    def __init__(
        self, work: Work, *, log_path: Path, env: Mapping[str, str] | None = None, cores: frozenset[int] = frozenset()
    ) -> None:
        self._log_path = log_path
        self._process = started(_SCRIPT, log_path, goes_on=True, env=env)
        assert self._process.stdin is not None
        self._input = self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended already: its status tells
            for value in (sys.path, cores, work):
                pickle.dump(value, self._input)
            self._input.flush()  # and stays open: its end tells the worker that this process is gone

    @property
    def pid(self) -> int:
        return self._process.pid

    def ending(self) -> Ending | None:
        """None while it runs."""
        return None if self._process.poll() is None else self.wait()

    def wait(self) -> Ending:
        status = self._process.wait()
        with contextlib.suppress(BrokenPipeError):  # it ended before it had read everything
            self._input.close()
        return Ending(status=status, last_words=self._last_words())

    def stop(self) -> None:
        """Gently, by SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """At once; whoever it measures with goes with it."""
        if self._process.poll() is None:
            kill_group(self._process)
        self.wait()

    def _last_words(self) -> str:
        with self._log_path.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
