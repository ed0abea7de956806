"""Many stand-in workers as real processes, started anew when they die: what is killed, stopped and cut off in tests."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import stand_in
from qpareto.search.study.opening import open_study
from qpareto.search.study.search_study import SearchStudy, Snapshot


@dataclass(kw_only=True)
class Fleet:
    """Worker processes of one study. Use as a context manager: leaving it ends what still runs.

    Args:
        folder: gets `measured.jsonl`, a line a measurement, and `workers.log`, what the workers say.
        options: more arguments of stand_in.py.
    """

    storage: str
    name: str
    workers: int
    trials: int
    folder: Path
    options: tuple[str, ...] = ()
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    exits: Counter[int] = field(default_factory=Counter)

    def __enter__(self) -> Fleet:
        self.processes = [self._started() for _ in range(self.workers)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def tend(self) -> bool:
        """Start anew who has died; whether anybody is still at work."""
        for i, process in enumerate(self.processes):
            code = process.poll()
            if code is not None and process.returncode != 0 and process.args is not None:
                self.exits[code] += 1
                self.processes[i] = self._started()
        return any(process.poll() is None for process in self.processes)

    def wait(self, *, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while self.tend():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"after {timeout_s} s: {Counter(r.outcome for r in self.look().records)}, {self.said()}"
                )
            time.sleep(0.05)

    def study(self) -> SearchStudy:
        return open_study(stand_in.stand_in_spec(self.storage, self.name))

    def look(self) -> Snapshot:
        return self.study().look()

    def wait_for(self, finished: int, *, timeout_s: float) -> None:
        """Until so many measurements have begun."""
        deadline = time.monotonic() + timeout_s
        while len(self.measured()) < finished and time.monotonic() < deadline:
            self.tend()
            time.sleep(0.05)

    def at_work(self) -> list[subprocess.Popen[bytes]]:
        """Processes that run and have measured something."""
        known = {line["pid"] for line in self.measured()}
        return [process for process in self.processes if process.poll() is None and process.pid in known]

    def measured(self) -> list[dict[str, object]]:
        """Every measurement that was begun, in the order in which they were."""
        path = self.folder / "measured.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def said(self) -> str:
        return (self.folder / "workers.log").read_text()

    def _started(self) -> subprocess.Popen[bytes]:
        arguments = ["--trials", str(self.trials), "--log", str(self.folder / "measured.jsonl"), *self.options]
        with (self.folder / "workers.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, stand_in.__file__, self.storage, self.name, *arguments], stdout=log, stderr=log
            )


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)


def go_on(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)
