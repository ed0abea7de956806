"""The script that a child process runs: a function and its answer, again and again. `callee.py` asks it.

It imports nothing of this package, whose folder it cannot know before it has been told the parent's search path.
Standard input: a pickle for each call, (request, log), two files' paths. The request holds two pickles, the search path
and (function, arguments, those by name). Standard output: the answer's length in 8 bytes and its pickle.
Whatever a function prints, native libraries included, goes to its log.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import pathlib
import pickle
import resource
import signal
import struct
import sys
import traceback
from typing import Any, BinaryIO

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PACKAGE = "qpareto"
_BUGS = (AssertionError, AttributeError, LookupError, NameError, TypeError, ZeroDivisionError)


def main() -> None:
    _die_with_parent(int(sys.argv[1]))
    faulthandler.enable()  # a crash in native code leaves the Python stack in the log
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    while True:
        try:
            request, log = pickle.load(calls)
        except EOFError:  # nobody will ask again
            os._exit(0)  # a native library may crash in its own clean-up
        _print_to(log)
        with pathlib.Path(request).open("rb") as file:
            answer = _answer(file)
        sys.stdout.flush()
        sys.stderr.flush()
        answers.write(struct.pack("<Q", len(answer)) + answer)
        answers.flush()


def _answer(request: BinaryIO) -> bytes:
    """Pickle of (True, result, None), or of (False, the exception or its text if that cannot be pickled, bug).

    The bug is the traceback of what is one of ours, else None.
    """
    sys.path[:] = pickle.load(request)
    try:
        function, arguments, named = pickle.load(request)
        return pickle.dumps((True, function(*arguments, **named), None))
    except Exception as error:
        traceback.print_exc()
        return pickle.dumps((False, _portable(error), traceback.format_exc() if is_bug(error) else None))


def is_bug(error: Exception) -> bool:
    """Whether a function of ours, or this script, did what no input excuses.

    A library raises the same errors in its own functions, of graphs that it does not take: they are the candidate's. So
    are other errors anywhere: a ValueError may be NumPy's, of an engine's outputs; a RuntimeError or an OSError is
    some native library's, or the machine's; TensorRT says by a TypeError of pybind11 that the GPU gives it no builder.
    """
    if not isinstance(error, _BUGS) or "pybind11::init()" in str(error):
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").partition(".")[0] in (_PACKAGE, __name__)


def _portable(error: Exception) -> Any:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever an exception's own pickling raises, its text remains
        return f"{type(error).__name__}: {error}"
    return error


def _print_to(log: str) -> None:
    """From here on, standard output and standard error are that file's."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)


def _die_with_parent(parent: int) -> None:
    """Be killed when the parent is, however it ends. Elsewhere than on Linux, the time limit alone remains."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)


if __name__ == "__main__":
    main()
