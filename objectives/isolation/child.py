"""A process of its own for work that may crash, hang or eat all memory: calibrating, building, evaluating, timing."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from ...errors import CandidateError, EngineError, QParetoError
from ..store import disk_errors
from .process import kill_group, started

_SCRIPT = Path(__file__).with_name("child_main.py")

_LOOK_S = 1.0  # between two looks whether a child that has not answered still runs

_FREE_SOME = "free some, or lower engine.batch"
_NO_MEMORY = ("std::bad_alloc", "Cannot allocate memory", "failed to map segment", "MemoryError")  # as told

T = TypeVar("T")


class BugInChildError(Exception):
    """A bug of ours in a child process, whose traceback is its note. No candidate is to blame: the run ends."""


def run_in_child(
    function: Callable[..., T],
    *args: Any,
    named: Mapping[str, Any] | None = None,
    timeout_s: float,
    limit: str | None = None,
    log_path: Path,
) -> T:
    """Call a function in a fresh Python process and return its result.

    The child has this process's environment and search path but none of its memory; it does not import `__main__`.
    It dies with this process, and with the call: on a time-out or Ctrl-C its whole process group is killed.

    Args:
        function: of an importable module, not of `__main__`; its name tells users which step failed.
        args, named: its arguments, by position and by name: anything that can be pickled.
        timeout_s: seconds until it is killed.
        limit: the study file's key of that time limit, if it has one.
        log_path: gets everything that the child prints, native libraries included; left in place.

    Raises:
        QParetoError: raised by the function: as itself, an EngineError with the log's path.
        BugInChildError: code of ours raised what is always a bug, such as an AttributeError.
        EngineError: it raised anything else, crashed, ran out of time, or ended without a result.
        DiskError: the log cannot be written.
    """
    if function.__module__ == "__main__":
        raise ValueError(f"{function.__qualname__} is defined in __main__, which a child process does not import")
    step = f"The step '{function.__name__.strip('_').replace('_', ' ')}'"
    with _request(sys.path, (function, args, named or {})) as request:
        child = started(_SCRIPT, log_path, request=request)
    try:
        answer = _answer(child, timeout_s)
    except subprocess.TimeoutExpired:
        advice = f"raise {limit} if it needs longer" if limit else "see in its log how far it came"
        raise EngineError(
            f"{step} did not end within {timeout_s:g} s and was stopped: {advice}.", log_path=log_path
        ) from None
    finally:
        _stop(child)
    result: T = _result(step, child.returncode, answer, log_path)
    return result


@contextmanager
def _request(*values: Any) -> Iterator[BinaryIO]:
    """A file, not a pipe: a child may take its time to read, and `communicate` sends no more once it has timed out."""
    with disk_errors(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as request:
        for value in values:
            pickle.dump(value, request)
        request.seek(0)
        yield request


def _answer(child: subprocess.Popen[bytes], timeout_s: float) -> bytes:
    """What the child answers. A process that it forked and left behind holds the answer's pipe open, so it is ended."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return child.communicate(timeout=min(_LOOK_S, max(deadline - time.monotonic(), 0.0)))[0]
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise
            if child.poll() is not None:
                kill_group(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and whatever it started, if it still runs."""
    if child.poll() is None:
        kill_group(child)
        child.communicate()


def _result(step: str, status: int, answer: bytes, log_path: Path) -> Any:
    if status != 0 or not answer:
        raise EngineError(f"{step} {_ending(status)}.", log_path=log_path)
    succeeded, value, bug = pickle.loads(answer)
    if succeeded:
        return value
    if isinstance(value, MemoryError) or any(sign in str(value) for sign in _NO_MEMORY):
        raise EngineError(f"{step} ran out of memory: {_FREE_SOME}.", log_path=log_path)
    if isinstance(value, CandidateError) and value.log_path is None:
        raise value.with_log(log_path)
    if isinstance(value, QParetoError):
        raise value
    reason = value if isinstance(value, str) else f"{type(value).__name__}: {str(value).strip()}"
    failure = f"{step} failed with {reason.splitlines()[0].rstrip('.: ')}."
    if bug:
        error = BugInChildError(f"{failure} Its log: {log_path}")
        error.add_note(f"In the child process:\n{bug}")
        raise error
    raise EngineError(failure, log_path=log_path)


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status} and no result: its log may tell why"
    if -status == signal.SIGKILL:
        return f"was killed (SIGKILL), most likely because memory ran out: {_FREE_SOME}"
    return f"crashed with {signal.Signals(-status).name} ({signal.strsignal(-status)}): its log tells where"
