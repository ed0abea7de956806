"""One timing at a time on one device, on the whole machine: of an engine, or of a kernel that a build chooses by it.

While an engine is timed nothing else of ours uses the device: a build stops between two of its steps, and goes on
after that. While a build times kernels nothing else runs on the device, but other builds go on with what they do on the
CPU, which is most of a build.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from ...errors import DiskError
from ..store import disk_errors

_log = logging.getLogger(__name__)


@contextmanager
def device_lock(device: str, *, exclusive: bool) -> Iterator[None]:
    """Hold a device: alone for timing, shared for work that would disturb a timing, such as evaluations.

    Waits as long as it takes. The kernel frees the lock of a process that dies. Who waits to hold a device alone
    also keeps newcomers out, so that a stream of shared holders cannot keep it waiting for ever. Not reentrant:
    a thread that holds a device and asks for it again waits for itself.

    The lock is a file in $QPARETO_LOCK_DIR, or else in `qpareto-locks` of the machine's temporary folder, and works
    between all processes, of any user and in any container, that see the same folder: containers need a common one.

    Args:
        device: its name; names that differ in punctuation alone are the same device.

    Raises:
        DiskError: the folder cannot be written, or its file system has no locks.
    """
    with _held(device, exclusive=exclusive), nullcontext() if exclusive else _held(_kernels(device), exclusive=False):
        yield


def build_lock(device: str) -> AbstractContextManager[Callable[[], None]]:
    """Hold a device, shared, for a build, which times kernels within `kernel_lock`. Raises the same.

    Yields:
        Lets those go first who wait to hold the device alone, and returns when they are done: to be called often, at
        once if nobody waits, between two steps of the build that leave nothing running on the device, and never within
        `kernel_lock`. Raises the same.
    """
    return _held(device, exclusive=False)


@contextmanager
def kernel_lock(device: str) -> Iterator[None]:
    """While a build, within `build_lock`, times kernels: nothing else runs on the device. Raises the same."""
    with _held(_kernels(device), exclusive=True):
        yield


@contextmanager
def _held(device: str, *, exclusive: bool) -> Iterator[Callable[[], None]]:
    """Who waits for the room waits at its open door, which keeps newcomers out."""
    with disk_errors(_folder()):
        door, room = (_opened(lock_file(device, name)) for name in ("door", "room"))

    def enter() -> None:
        _wait_for(door, fcntl.LOCK_EX, device)
        _wait_for(room, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, device)
        fcntl.flock(door, fcntl.LOCK_UN)

    def give_way() -> None:
        try:
            fcntl.flock(door, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(room, fcntl.LOCK_UN)
            enter()
        else:
            fcntl.flock(door, fcntl.LOCK_UN)

    try:
        enter()
        yield give_way
    finally:
        os.close(room)
        os.close(door)


def _kernels(device: str) -> str:
    """What a build holds alone while it times kernels."""
    return f"{device} kernels"


def lock_file(device: str, name: str) -> Path:
    """Where a lock of that name is, of a device."""
    stem = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    return _folder() / f"{stem}.{name}"


def shared_folder(folder: Path) -> Path:
    """The folder, made for every user if it is new: each adds files, and deletes none of others."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return folder
    folder.chmod(0o1777)  # whatever this user's umask
    return folder


def _wait_for(lock: int, operation: int, device: str) -> None:
    try:
        fcntl.flock(lock, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        _log.info("Waiting for another process that uses %s.", device)
        fcntl.flock(lock, operation)
    except OSError as error:
        raise DiskError(
            f"{device} cannot be held alone, since nothing can be locked in {_folder()} ({error.strerror}): let "
            "QPARETO_LOCK_DIR name a folder on a disk of this machine."
        ) from error


def _folder() -> Path:
    return Path(os.environ.get("QPARETO_LOCK_DIR") or Path(tempfile.gettempdir()) / "qpareto-locks")


def _opened(path: Path) -> int:
    """Open a lock file, creating it for every user if it is new. NFS locks alone only what is open for writing."""
    shared_folder(path.parent)
    try:
        created = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR)
    except FileExistsError:
        # Without O_CREAT: Linux refuses that on another user's file in a folder that everyone may write to.
        return os.open(path, os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY)
    os.fchmod(created, 0o666)
    return created
