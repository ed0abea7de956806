"""The store: finished folders by kind and key, found, fetched or made; sealed, verified and kept within a size."""

from __future__ import annotations

import errno
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from ...errors import DiskError
from .disk import apparent_bytes, disk_errors, made_aside
from .entries import DAMAGED, moved, remove
from .eviction import clean, free, shrink
from .remote import Remote
from .seal import is_whole_or_was, remember_whole, seal, seal_of
from .turn import turn
from .use import keep, touch

_THERE = (errno.ENOTEMPTY, errno.EEXIST)
_SOME_ROOM_BYTES = 64 << 20

_log = logging.getLogger(__name__)

Fill = Callable[[Path], None]


@dataclass(frozen=True)
class Store:
    """A folder of finished folders, `<root>/<kind>/<key>`, that many processes and machines may share.

    An entry is made aside, sealed with the hashes of its files, and renamed into place: it is either complete or
    absent, whoever is killed when. It is verified where it is found; one that is not what was sealed is never used.

    Args:
        root: made when the first entry is.
        remote: looked into for what is not here, and given what is made here.
        limit_bytes: what all entries together may take; no limit if None.
        counts: what this process did: `found`, `fetched`, `made`, `damaged`.
    """

    root: Path
    remote: Remote | None = None
    limit_bytes: int | None = None
    counts: Counter[str] = field(default_factory=Counter, compare=False, repr=False)

    @property
    def local(self) -> Store:
        """The same without its remote, for what is true on this machine only."""
        return replace(self, remote=None)

    def find(self, kind: str, key: str) -> Path | None:
        """The entry's folder, fetched if need be, or None if nobody has made it yet.

        Raises:
            DiskError: it is damaged and cannot be set aside, or it is fetched and there is no room.
        """
        with disk_errors(self.root):
            return self._found(self.root / kind / key) or self._fetched(self.root / kind / key)

    def make(self, kind: str, key: str, fill: Fill, *, kept: bool = False) -> Path:
        """The entry's folder, filled by `fill(folder)` if it is not there yet. Others that want it wait meanwhile.

        Args:
            kept: it is in use for as long as this process lives: for what is opened again later by its path. Any
                other entry is in use for an hour after it was last asked for.

        Raises:
            DiskError: the folder cannot be written.
        """
        entry = self.root / kind / key
        with disk_errors(self.root):
            found = self._found(entry)
        if found is None:
            with disk_errors(entry.parent):
                entry.parent.mkdir(parents=True, exist_ok=True)
            with turn(entry.parent / f".{key}.lock"):
                self._find_or_make(entry, fill)
        if kept:
            keep(entry)
        return entry

    def discard(self, kind: str, key: str) -> None:
        """Remove an entry. It is gone at once, for everybody, and can be made again."""
        try:
            remove(self.root / kind / key)
        except FileNotFoundError:  # somebody else was first
            return

    def _find_or_make(self, entry: Path, fill: Fill) -> None:
        def fill_and_seal(folder: Path) -> None:
            fill(folder)
            seal(folder)

        while not (self._found(entry) or self._fetched(entry)):
            if self._is_written(entry, fill_and_seal):
                self.counts["made"] += 1
                if self.remote is not None:
                    self.remote.push(entry.parent.name, entry.name, entry)
                return

    def _found(self, entry: Path) -> Path | None:
        """The entry if it is there and whole. A damaged one is set aside."""
        try:
            touch(entry)  # before it is looked at: what is in use is not evicted
            inode = entry.stat().st_ino
            if is_whole_or_was(entry):
                self.counts["found"] += 1
                return entry
            self._set_aside(entry, inode)
        except (FileNotFoundError, NotADirectoryError):
            pass
        return None

    def _set_aside(self, entry: Path, inode: int) -> None:
        sealed = seal_of(entry)
        (self.root / DAMAGED).mkdir(exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{entry.parent.name}-{entry.name}-", dir=self.root / DAMAGED))
        moved(entry, aside)
        if aside.stat().st_ino != inode:  # another process did so before, and has made it again already
            aside.rename(entry)
            return
        self.counts["damaged"] += 1
        name = f"{entry.parent.name}/{entry.name}"
        found = "is not what was put there" if sealed else "has no seal that can be read"
        _log.warning("The entry %s of the cache %s: it is made again. What was there is in %s.", name, found, aside)

    def _fetched(self, entry: Path) -> Path | None:
        """The entry, copied from the remote; None if there is no remote, or it has no whole entry."""
        remote = self.remote
        sealed = remote.seal(entry.parent.name, entry.name) if remote else None
        if remote is None or sealed is None:
            return None

        def fetch(folder: Path) -> None:
            if not remote.fetch(sealed, folder):
                raise _NotFetchedError

        try:
            if self._is_written(entry, fetch):
                self.counts["fetched"] += 1
        except _NotFetchedError:
            return None
        return self._found(entry)

    def _is_written(self, entry: Path, fill: Fill) -> bool:
        """Fill it aside and rename it into place. False if somebody was first: theirs stands.

        On a full disk it is tried again for as long as room can be made.
        """
        taken_bytes = 0

        def fill_and_weigh(folder: Path) -> None:
            nonlocal taken_bytes
            try:
                fill(folder)
            finally:
                taken_bytes = apparent_bytes(folder)

        while True:
            try:
                with made_aside(entry) as aside:
                    fill_and_weigh(aside)
            except DiskError:
                if not self._is_room_made(taken_bytes):
                    raise
            except OSError as error:
                if error.errno not in _THERE or not entry.is_dir():
                    raise
                return False
            else:
                remember_whole(entry)
                self._tidy()
                return True

    def _is_room_made(self, taken_bytes: int) -> bool:
        """Whether something was evicted, for an entry that had come so far when the disk was full."""
        wanted_bytes = 2 * taken_bytes + _SOME_ROOM_BYTES
        if self.limit_bytes is None or shutil.disk_usage(self.root).free >= wanted_bytes:
            return False  # all is to be kept, or it is not this disk that is full
        with disk_errors(self.root):
            return free(self.root, wanted_bytes) > 0

    def _tidy(self) -> None:
        try:
            _clean_once(self.root)
            if self.limit_bytes is not None:
                shrink(self.root, self.limit_bytes)
        except OSError as error:  # another user's, for one; what was to be made is made
            _log.warning("The cache %s cannot be tidied (%s).", self.root, error)


class _NotFetchedError(Exception):
    """The remote had no whole entry after all."""


@lru_cache
def _clean_once(root: Path) -> None:
    """What killed processes left is looked for once a process."""
    clean(root)
