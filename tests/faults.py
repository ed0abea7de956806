"""Faults that the operating system, a disk or another program does to the child processes of a running study."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

from qpareto.search.run.worker import Silence

PATIENCE_S = 60.0
NO_ROOM_BYTES = 40 << 20  # Python starts in it, and has none left for numpy's library

Strike = Callable[[psutil.Process], object]  # takes a stopped process


@dataclass(frozen=True)
class Fault:
    """What becomes of a trial's child process that does one step.

    Args:
        step: as the child's log is named: `engine`, `accuracy`, `latency`.
        strike: what is done to the child, which is stopped before.
        library: the child is stopped when it has loaded a file of this name; as soon as it is there if empty.
    """

    step: str
    strike: Strike
    library: str = ""


class Saboteur(Silence):
    """A study's listener that lies in wait with a fault when its trial begins.

    Use as a context manager around the run: leaving it raises whatever kept a fault from being done.
    """

    def __init__(self, faults: Mapping[int, Fault]) -> None:
        self._faults, self._thread = faults, ThreadPoolExecutor(1)
        self._struck: list[Future[object]] = []

    def begin(self, number: int, what: str, *, finished: int) -> None:
        if fault := self._faults.get(number):
            self._struck.append(self._thread.submit(lambda: fault.strike(_stopped_child(fault))))

    def __enter__(self) -> Saboteur:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        assert len(self._struck) == len(self._faults)
        for struck in self._struck:
            struck.result()


def crash(child: psutil.Process) -> None:
    child.send_signal(signal.SIGSEGV)
    child.resume()


def kill(child: psutil.Process) -> None:
    """As the kernel does when memory runs out."""
    child.kill()


def hang(child: psutil.Process) -> None:
    """It is stopped, and so it stays."""
    del child


def starve(child: psutil.Process) -> None:
    """Let it have no more memory."""
    resource.prlimit(child.pid, resource.RLIMIT_AS, (NO_ROOM_BYTES, NO_ROOM_BYTES))
    child.resume()


def spoil_newest_engine(cache: Path) -> Strike:
    """Garbage in the weights of the engine that was built last, between its build and its first use."""

    def spoil(child: psutil.Process) -> None:
        fill_with_garbage(max(cache.glob("engines/*/engine.bin"), key=lambda weights: weights.stat().st_mtime_ns))
        child.resume()

    return spoil


def fill_with_garbage(path: Path) -> None:
    """As many bytes as there were: OpenVINO loads such weights without a word."""
    path.write_bytes(b"\x55" * path.stat().st_size)


def _stopped_child(fault: Fault) -> psutil.Process:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for child in psutil.Process().children():
            if _is_at_work(child, fault):
                child.suspend()
                return child
        time.sleep(0.001)
    raise TimeoutError(f"no child process was seen at the step '{fault.step}'")


def _is_at_work(child: psutil.Process, fault: Fault) -> bool:
    """What it does is seen by its log, which is its standard error; how far it is, by what it has loaded.

    A process that is kept from other tests has a log whose name is no longer there.
    """
    process = Path(f"/proc/{child.pid}")
    try:
        began = b"child_main.py" in (process / "cmdline").read_bytes()  # no copy of this process any more
        log = (process / "fd" / "2").readlink().name
        at_step = log.startswith(f"{fault.step}-") and not log.endswith("(deleted)")
        return began and at_step and fault.library in (process / "maps").read_text()
    except OSError:  # it has ended meanwhile
        return False
