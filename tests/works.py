"""What workers do in tests of the places where they run: functions that a worker's process finds by their module."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from qpareto.errors import StudyError


def note(path: Path) -> None:
    """Leave who and where this is, whole or not at all, and be done."""
    told = {"pid": os.getpid(), "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"), "cores": sorted(os.sched_getaffinity(0))}
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(told))
    aside.rename(path)


def note_and_wait(path: Path) -> None:
    """Also with a child, as workers have; until SIGTERM comes, which is heeded after a while."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with subprocess.Popen(["sleep", "600"]) as child:
        try:
            path.with_suffix(".child").write_text(str(child.pid))
            note(path)  # from here on SIGTERM may come
            time.sleep(600)
        finally:
            child.kill()


def refuse(sentence: str) -> None:
    print("what came before")
    raise StudyError(sentence)


def fall(path: Path) -> None:
    """Die by SIGKILL, leaving a mark each time."""
    with path.open("a") as marks:
        marks.write("x")
    os.kill(os.getpid(), signal.SIGKILL)


def fall_at_first(path: Path, times: int) -> None:
    """Die so many times, and be done the next time."""
    if len(path.read_text() if path.exists() else "") < times:
        fall(path)


def slip() -> None:
    """A bug."""
    raise ZeroDivisionError("by zero")


def stand_in_study(storage: str, name: str, trials: int, log: Path) -> None:
    """Be a worker of a study whose trials take 0.3 s and need no model."""
    from stand_in import StandIn, stand_in_spec, stand_in_worker

    worker = stand_in_worker(stand_in_spec(storage, name), StandIn(takes_s=0.3, log=log), layers=20)
    worker.run(trials=trials)
