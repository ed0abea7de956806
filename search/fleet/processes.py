"""Workers as processes on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .pins import Pin
from .place import Ending, Place, Work
from .worker_process import WorkerProcess


class Processes(Place):
    """Processes of this machine.

    Args:
        pins: of worker 0, 1, ...; as many as there will be workers.
        log_stem: worker 0 logs to `<log_stem>-0.log`, behind what earlier runs have logged.
    """

    def __init__(self, *, pins: Sequence[Pin], log_stem: Path) -> None:
        self._pins, self._log_stem = tuple(pins), log_stem
        self._started: dict[int, WorkerProcess] = {}

    def start(self, worker: int, work: Work) -> None:
        pin, log_path = self._pins[worker], log_of_worker(self._log_stem, worker)
        self._started[worker] = WorkerProcess(work, log_path=log_path, env=pin.env, cores=pin.cores)

    def ending(self, worker: int) -> Ending | None:
        return self._started[worker].ending()

    def stop(self, worker: int) -> None:
        self._started[worker].stop()

    def kill(self, worker: int) -> None:
        self._started[worker].kill()

    def logs(self) -> str:
        return str(log_of_worker(self._log_stem, "*"))

    def close(self) -> None:
        for process in self._started.values():
            process.kill()


def log_of_worker(stem: Path, worker: int | str) -> Path:
    """Where a worker logs."""
    return stem.with_name(f"{stem.name}-{worker}.log")
