"""A process of its own for work that may crash, hang or eat all memory: calibrating, building, evaluating, timing."""

from __future__ import annotations

import pickle
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ...errors import CandidateError, EngineError, QParetoError
from .callee import Callee

_FREE_SOME = "free some, or lower engine.batch"
_NO_MEMORY = ("std::bad_alloc", "Cannot allocate memory", "failed to map segment", "MemoryError")  # as told

T = TypeVar("T")

_kept = threading.local()  # by name, the processes that wait for a thread's next call: they die with their thread


class BugInChildError(Exception):
    """A bug of ours in a child process, whose traceback is its note. No candidate is to blame: the run ends."""


def run_in_child(
    function: Callable[..., T],
    *args: Any,
    named: Mapping[str, Any] | None = None,
    timeout_s: float,
    limit: str | None = None,
    log_path: Path,
    kept: str | None = None,
) -> T:
    """Call a function in a fresh Python process, or in one that is kept for such calls, and return its result.

    The child has this process's environment and search path but none of its memory; it does not import `__main__`.
    It dies with this process, and with the call: on a time-out or Ctrl-C its whole process group is killed.

    Args:
        function: of an importable module, not of `__main__`; its name tells users which step failed.
        args, named: its arguments, by position and by name: anything that can be pickled.
        timeout_s: seconds until it is killed.
        limit: the study file's key of that time limit, if it has one.
        log_path: gets everything that the child prints, native libraries included; left in place.
        kept: the name of a process that has served such calls of this thread before, and serves this one and later
            ones, for what takes seconds to load. A call that fails ends it, so that the next one starts clean.

    Raises:
        QParetoError: raised by the function: as itself, an EngineError with the log's path.
        BugInChildError: code of ours raised what is always a bug, such as an AttributeError.
        EngineError: it raised anything else, crashed, ran out of time, or ended without a result.
        DiskError: the log cannot be written.
    """
    if function.__module__ == "__main__":
        raise ValueError(f"{function.__qualname__} is defined in __main__, which a child process does not import")
    step = f"The step '{function.__name__.strip('_').replace('_', ' ')}'"
    callee = _taken(kept) or Callee(log_path)
    try:
        answer = callee.answer(sys.path, (function, args, named or {}), log_path=log_path, timeout_s=timeout_s)
        if answer is None:
            raise EngineError(f"{step} {_ending(callee.status)}.", log_path=log_path)
        result: T = _result(step, answer, log_path)
        if kept:
            vars(_kept)[kept] = callee
        return result
    except TimeoutError:
        advice = f"raise {limit} if it needs longer" if limit else "see in its log how far it came"
        raise EngineError(
            f"{step} did not end within {timeout_s:g} s and was stopped: {advice}.", log_path=log_path
        ) from None
    finally:
        if vars(_kept).get(kept or "") is not callee:
            callee.stop()


def _taken(name: str | None) -> Callee | None:
    """The process that is kept by that name, for a call; None if there is none, or it has died."""
    callee: Callee | None = vars(_kept).pop(name, None) if name else None
    if callee is None or callee.is_alive:
        return callee
    callee.stop()
    return None


def _result(step: str, answer: bytes, log_path: Path) -> Any:
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
