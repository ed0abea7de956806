"""Keeping a cache within its size: what was used longest ago goes first, and nothing that is in use goes at all."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from .disk import new_aside
from .entries import LOGS, Entry, age_s, asides_of, clock_s, damaged_of, delete, entries_of, moved, status_of
from .use import GRACE_S

LEFT_BEHIND_S = 24 * 3600.0
"""A folder in which nothing was written for so long is filled by nobody any more; no step may take as long."""

LOGS_BYTES = 256 << 20

_log = logging.getLogger(__name__)


def to_evict(entries: Iterable[Entry], *, excess_bytes: int, unused_since_s: float) -> list[Entry]:
    """The entries that have to go, least recently used first: no more than it takes, and none that was used since."""
    chosen: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: (entry.used_s, entry.path)):
        if excess_bytes <= 0 or entry.used_s >= unused_since_s:
            break
        chosen.append(entry)
        excess_bytes -= entry.size_bytes
    return chosen


def shrink(root: Path, limit_bytes: int) -> int:
    """Evict until the entries are within the limit, or the rest is in use. Returns the bytes that were freed."""
    entries = entries_of(root)
    excess_bytes = sum(entry.size_bytes for entry in entries) - limit_bytes
    if excess_bytes <= 0:
        return 0
    freed = _evict(root, entries, excess_bytes)
    if freed < excess_bytes:
        _tell_in_use(root, limit_bytes)
    return freed


def free(root: Path, wanted_bytes: int) -> int:
    """Make room on a full disk: what was set aside goes, then entries. Returns the bytes that were freed."""
    before = shutil.disk_usage(root).free
    clean(root, damaged_s=0.0)
    freed = max(shutil.disk_usage(root).free - before, 0)
    return freed + _evict(root, entries_of(root), wanted_bytes - freed)


def clean(root: Path, *, damaged_s: float = LEFT_BEHIND_S) -> None:
    """Remove what killed processes left, what was set aside as damaged that long ago, and the oldest of many logs."""
    now_s = clock_s(root)
    old = [path for path in asides_of(root) if age_s(path, now_s) > LEFT_BEHIND_S]
    old += [path for path in damaged_of(root) if (found := status_of(path)) and now_s - found.st_ctime > damaged_s]
    for folder in old:
        delete(folder)
    _shorten_logs(root / LOGS, now_s)


def _evict(root: Path, entries: list[Entry], excess_bytes: int) -> int:
    chosen = to_evict(entries, excess_bytes=excess_bytes, unused_since_s=clock_s(root) - GRACE_S)
    gone = [entry for entry in chosen if _is_evicted(entry)]
    freed = sum(entry.size_bytes for entry in gone)
    if gone:
        _log.info(
            "Evicted %d entries (%.3g GiB) from the cache %s: unused the longest.", len(gone), freed / 2**30, root
        )
    return freed


def _is_evicted(entry: Entry) -> bool:
    """Whether it went. Somebody who has begun to use it since it was listed keeps it."""
    try:
        if entry.path.stat().st_mtime > entry.used_s:
            return False
        aside = moved(entry.path, new_aside(entry.path))
    except FileNotFoundError:  # somebody else was first
        return False
    if aside.stat().st_mtime > entry.used_s:
        with suppress(OSError):  # made again meanwhile: then the new one stays
            aside.rename(entry.path)
            return False
    delete(aside)
    return True


def _shorten_logs(folder: Path, now_s: float) -> None:
    paths = folder.glob("*") if folder.is_dir() else ()
    files = [(status, path) for path in paths if (status := status_of(path))]
    excess_bytes = sum(status.st_size for status, _ in files) - LOGS_BYTES
    for status, path in sorted(files, key=lambda file: file[0].st_mtime):
        if excess_bytes <= 0 or now_s - status.st_mtime < GRACE_S:
            break
        path.unlink(missing_ok=True)
        excess_bytes -= status.st_size


@lru_cache
def _tell_in_use(root: Path, limit_bytes: int) -> None:
    _log.warning(
        "The cache %s is above cache_limit_gib=%.3g, and what is left in it was used within the last hour: "
        "raise the limit if the disk has the room.",
        root,
        limit_bytes / 2**30,
    )
