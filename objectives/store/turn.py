"""One process makes, the others wait for what it makes. That saves work; what is right does not hang on it."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .use import kept

HEARTBEAT_S = 15.0
SILENT_S = 120.0  # who makes and has given no sign for so long is stopped, or its machine is off

_log = logging.getLogger(__name__)


@contextmanager
def turn(path: Path, *, silent_s: float = SILENT_S) -> Iterator[None]:
    """Wait until no other process holds the lock file, hold it during the block, and remove it.

    The kernel frees what a killed process held. Where nothing can be locked, or who holds it has given no sign for
    `silent_s` seconds, the block runs all the same, beside the other's.

    Args:
        path: in a folder that is there.
    """
    lock = _taken(path, silent_s)
    if lock is None:
        yield
        return
    try:
        with kept(path, every_s=HEARTBEAT_S):
            yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Hold the lock file during the block if nobody else does, and say so; it does not wait.

    Where nothing can be locked, everybody is told that it is theirs.

    Args:
        path: in a folder that is there.
    """
    try:
        lock = _at_once(path)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        if lock is not None:
            path.unlink(missing_ok=True)
            os.close(lock)


def _taken(path: Path, silent_s: float) -> int | None:
    """The open lock file; None if it is not to be had."""
    sign, since, pause_s = -1, 0.0, 0.02
    name = f"{path.parent.name}/{path.name.strip('.').removesuffix('.lock')}"
    while True:
        try:
            return _at_once(path)
        except BlockingIOError as held:
            found = held.args[0]
        if found != sign:
            if sign == -1:
                _log.info("Waiting for another process that makes %s.", name)
            sign, since = found, time.monotonic()
        elif time.monotonic() - since > silent_s:
            _log.warning("Who makes %s has given no sign for %g s: it is made here too.", name, silent_s)
            return None
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 1.0)


def _at_once(path: Path) -> int | None:
    """The open lock file; None if nothing can be locked there.

    Raises:
        BlockingIOError: somebody holds it, and last gave a sign at that time in nanoseconds.
    """
    while True:
        try:
            lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)  # NFS locks alone only what is open for writing
        except OSError:  # another user's, or a folder that cannot be written: who makes there will say so
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sign = os.fstat(lock).st_mtime_ns
            os.close(lock)
            raise BlockingIOError(sign) from None
        except OSError:  # a file system without locks
            os.close(lock)
            return None
        if _is_at(lock, path):
            return lock
        os.close(lock)  # who held it has removed it: a newcomer would lock another file of this name


def _is_at(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False
