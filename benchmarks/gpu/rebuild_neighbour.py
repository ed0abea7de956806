"""Another process beside `rebuilds.py`: one that builds on the same device, and one that works on the same record."""

from __future__ import annotations

import ctypes
import fcntl
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from qpareto.errors import EngineError
from qpareto.objectives.engines import EngineOptions
from qpareto.objectives.engines.build import build_engine

LOCK_DIR = "QPARETO_LOCK_DIR"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@contextmanager
def neighbour(onnx_path: Path, options: EngineOptions) -> Iterator[None]:
    """Another process that builds without a cache and without taking turns, again and again, during the block.

    Raises:
        EngineError: it ended by itself.
    """
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_build_on, args=(onnx_path, replace(options, shared_dir=None), ready))
    process.start()
    try:
        while not ready.wait(0.2) and process.is_alive():
            pass
        yield
        if not process.is_alive():
            raise EngineError(f"The build beside it ended by itself, with exit status {process.exitcode}.")
    finally:
        process.kill()
        process.join()


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Whether no other process holds this lock, which is held during the block then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True  # the kernel frees it, whatever becomes of this process


def build_locked(onnx_path: Path, engine_dir: Path, options: EngineOptions, lock_dir: str | None) -> None:
    """Build, in a child process, with locks in this folder; those in another folder are others."""
    os.environ.pop(LOCK_DIR, None)
    if lock_dir is not None:
        os.environ[LOCK_DIR] = lock_dir
    build_engine(onnx_path, engine_dir, options)


def _build_on(onnx_path: Path, options: EngineOptions, ready: Any) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # it ends with the process that started it
    ready.set()
    with tempfile.TemporaryDirectory() as locks:
        while True:
            with tempfile.TemporaryDirectory() as folder:
                build_locked(onnx_path, Path(folder), options, locks)
