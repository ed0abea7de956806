"""What a cache's folder holds besides entries being made: entries, logs, what was set aside, what was left behind."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .disk import is_aside, new_aside
from .seal import SEAL, seal_of

LOGS = "logs"
DAMAGED = "damaged"

_sizes: dict[tuple[Path, int], int] = {}  # by folder and inode: an entry does not change


@dataclass(frozen=True)
class Entry:
    """One sealed folder of a cache.

    Args:
        used_s: when it was last used, in seconds of the file system's clock.
    """

    path: Path
    size_bytes: int
    used_s: float


def entries_of(root: Path) -> list[Entry]:
    """Every sealed entry. What has no seal is none: it may be anything that a user keeps there."""
    return [entry for folder in _kinds(root) for path in _folders(folder) if (entry := _entry(path)) is not None]


def asides_of(root: Path) -> list[Path]:
    """Folders that are being filled now, or that a killed process left."""
    return [path for folder in _kinds(root) for path in _folders(folder, hidden=True) if is_aside(path)]


def damaged_of(root: Path) -> list[Path]:
    """What was set aside as damaged."""
    return list(_folders(root / DAMAGED))


def age_s(folder: Path, now_s: float) -> float:
    """Seconds since anything in the folder, or itself, was last written."""
    found = [status for path in (folder, *folder.rglob("*")) if (status := status_of(path))]
    return now_s - max((status.st_mtime for status in found), default=now_s)


def clock_s(root: Path) -> float:
    """Now, by the clock of the file system: another machine's may differ from this one's."""
    with tempfile.TemporaryFile(dir=root) as probe:
        return os.fstat(probe.fileno()).st_mtime


def remove(folder: Path) -> None:
    """Take a folder away at once, for everybody, then delete what it holds. Whoever has its files open keeps them.

    Raises:
        FileNotFoundError: somebody else was first.
    """
    delete(moved(folder, new_aside(folder)))


def delete(aside: Path) -> None:
    """Delete a folder that nobody finds any more. Two may be at it at once; what stays is tried again a day later."""
    shutil.rmtree(aside, ignore_errors=True)


def moved(folder: Path, target: Path) -> Path:
    """Rename a folder to an empty one that was made for it, which goes if that fails.

    Raises:
        FileNotFoundError: somebody else was first.
    """
    try:
        return folder.rename(target)
    except OSError:
        target.rmdir()
        raise


def status_of(path: Path) -> os.stat_result | None:
    """None if it is gone: others tidy too."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _kinds(root: Path) -> Iterator[Path]:
    return (folder for folder in _folders(root) if folder.name not in (LOGS, DAMAGED))


def _folders(parent: Path, *, hidden: bool = False) -> Iterator[Path]:
    try:
        with os.scandir(parent) as found:
            names = [item.name for item in found if item.is_dir() and item.name.startswith(".") == hidden]
    except FileNotFoundError:
        return iter(())
    return (parent / name for name in sorted(names))


def _entry(path: Path) -> Entry | None:
    try:
        status = path.stat()
        known = (path, status.st_ino)
        if known not in _sizes:
            sealed = seal_of(path)
            if sealed is None:
                return None
            _sizes[known] = sealed.bytes + (path / SEAL).stat().st_size
    except FileNotFoundError:  # evicted meanwhile
        return None
    return Entry(path, _sizes[known], status.st_mtime)
