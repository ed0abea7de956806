"""A child process that is asked to call functions, one after the other, and answers each time."""

from __future__ import annotations

import os
import pickle
import select
import struct
import subprocess
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..store import disk_errors
from .process import kill_group, started

_SCRIPT = Path(__file__).with_name("child_main.py")

_LOOK_S = 1.0  # between two looks whether a child that has not answered still runs
_LENGTH = struct.Struct("<Q")  # of an answer, before it
_CHUNK_BYTES = 1 << 20


class Callee:
    """A process with this one's environment and none of its memory.

    It dies when it is stopped, when nobody holds it any more, and with the thread that made it.

    Args:
        log_path: gets what it prints until it is first asked.

    Raises:
        DiskError: the log cannot be written.
    """

    def __init__(self, log_path: Path) -> None:
        self._process = started(_SCRIPT, log_path, answers=True)
        self._end = weakref.finalize(self, _ended, self._process, os.getpid())

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> int:
        """Its exit status, negative the signal that killed it; waits for its end."""
        return self._process.wait()

    def answer(self, *request: Any, log_path: Path, timeout_s: float) -> bytes | None:
        """What it answers, pickled; None if it ended instead.

        Args:
            request: what `child_main.py` reads: the search path, and the call.
            log_path: gets everything that it prints meanwhile, native libraries included.

        Raises:
            TimeoutError: it did not answer in time.
            DiskError: there is no room for the request, or the log cannot be written.
        """
        assert self._process.stdin is not None
        with disk_errors(log_path.parent):
            log_path.parent.mkdir(parents=True, exist_ok=True)
            log_path.write_bytes(b"")
        with _file_of(request) as path:
            with suppress(BrokenPipeError):  # it has ended: so will the wait for its answer
                pickle.dump((str(path), str(log_path)), self._process.stdin)
                self._process.stdin.flush()
            return self._received(time.monotonic() + timeout_s)

    def stop(self) -> None:
        """Kill it, and whatever it has started."""
        self._end()

    def _received(self, deadline: float) -> bytes | None:
        """The answer behind its length. What it forked and left behind may hold the pipe open, and is ended."""
        assert self._process.stdout is not None
        pipe, content = self._process.stdout.fileno(), bytearray()
        while len(content) < _LENGTH.size or len(content) < _LENGTH.size + _LENGTH.unpack_from(content)[0]:
            left_s = deadline - time.monotonic()
            if select.select([pipe], [], [], min(_LOOK_S, max(left_s, 0.0)))[0]:
                received = os.read(pipe, _CHUNK_BYTES)
                if not received:
                    return None
                content += received
            elif left_s <= 0:
                raise TimeoutError
            elif not self.is_alive:
                kill_group(self._process)
        return bytes(content[_LENGTH.size :])


def _ended(process: subprocess.Popen[bytes], owner: int) -> None:
    """End a child of this process. A fork of it, as some library makes, has its objects, and not its children."""
    if os.getpid() == owner:
        kill_group(process)
        process.communicate()


@contextmanager
def _file_of(request: tuple[Any, ...]) -> Iterator[Path]:
    """A file, not a pipe: a child may take its time to read, and whoever writes a large one would wait for it."""
    folder = Path(tempfile.gettempdir())
    with disk_errors(folder), tempfile.NamedTemporaryFile(prefix="qpareto-call-") as file:
        for value in request:
            pickle.dump(value, file)
        file.flush()
        yield Path(file.name)
