"""Which processes of ours have a GPU open: the device lock keeps them still while one of them times."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from ..store import disk_errors
from .lock import lock_file, shared_folder

_announced: dict[str, int] = {}  # by device, the descriptor of the file that says so


def announce(device: str) -> None:
    """Say that this process has a device open, for as long as it lives: its file stays locked.

    Raises:
        DiskError: the folder of the locks cannot be written.
    """
    folder = _folder(device)
    with disk_errors(folder):
        shared_folder(shared_folder(folder.parent) / folder.name)
        while device not in _announced:
            descriptor, name = tempfile.mkstemp(dir=folder)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.fchmod(descriptor, 0o644)  # other users look, too
            if Path(name).exists():  # nobody took it for that of a process that has ended, before it was locked
                _announced[device] = descriptor
            else:
                os.close(descriptor)


def others_of_ours(device: str) -> int:
    """How many other processes of ours have it open. Takes away the files of those that have ended."""
    paths = [path for path in _folder(device).glob("*") if _is_held(path)]
    return len(paths) - (device in _announced)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # another process has just taken it away
        return False
    except PermissionError:  # another user's, who is about to lock it
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    with suppress(FileNotFoundError, PermissionError):  # gone already, or another user's
        path.unlink()
    return False


def _folder(device: str) -> Path:
    return lock_file(device, "open")
