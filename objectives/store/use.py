"""Saying that something in a shared folder is in use: it is touched, now and again.

A time stamp works on every file system and between machines, where locks may not.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GRACE_S = 3600.0
"""What was used within this time is in use."""

_TICK_S = 10.0

_kept: dict[Path, float] = {}  # seconds between touches, by what is touched
_thread: threading.Thread | None = None
_starting = threading.Lock()


def touch(path: Path) -> None:
    """Set the time of last use to now, by the file system's own clock.

    Who may only read cannot, and what such a process uses counts as unused.

    Raises:
        FileNotFoundError: it is not there.
    """
    try:
        os.utime(path)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise


def keep(path: Path, *, every_s: float = GRACE_S / 4) -> None:
    """Touch it now and again for as long as this process lives and it is there."""
    global _thread  # noqa: PLW0603 - one thread a process
    _kept[path] = every_s
    with _starting:
        if _thread is None or not _thread.is_alive():  # a fork has the name of the thread but not the thread
            _thread = threading.Thread(target=_touch_for_ever, name="qpareto-in-use", daemon=True)
            _thread.start()


@contextmanager
def kept(path: Path, *, every_s: float) -> Iterator[None]:
    """Touch it now and again while the block runs."""
    keep(path, every_s=every_s)
    try:
        yield
    finally:
        _kept.pop(path, None)


def _touch_for_ever() -> None:
    due: dict[Path, float] = {}
    while True:
        time.sleep(_TICK_S)
        for path, every_s in list(_kept.items()):
            if time.monotonic() < due.get(path, 0.0):
                continue
            due[path] = time.monotonic() + every_s
            try:
                touch(path)
            except OSError:  # it is gone: its next user finds that out
                _kept.pop(path, None)
