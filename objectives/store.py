"""The content-addressed cache: what a step made is kept under the hash of everything that decided it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import DiskError


def content_key(**inputs: Any) -> str:
    """Hash of JSON-able inputs: 32 hex digits, the same on every machine and in every run."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_hash(paths: Path | Iterable[Path]) -> str:
    """SHA-256 over the bytes of the files, in the given order: 32 hex digits. Names do not count."""
    digest = hashlib.sha256()
    for path in [paths] if isinstance(paths, Path) else paths:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:32]


class Store:
    """A folder of finished folders, `<root>/<kind>/<key>`.

    An entry is made aside and renamed into place: it is either complete or absent, whoever is killed when.
    Two processes that make the same entry at once both work; the first to finish wins.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, kind: str, key: str) -> Path | None:
        """The entry's folder, or None if nobody has made it yet."""
        entry = self.root / kind / key
        return entry if entry.is_dir() else None

    def make(self, kind: str, key: str, fill: Callable[[Path], None]) -> Path:
        """The entry's folder, filled by `fill(folder)` if it is not there yet.

        Raises:
            DiskError: the folder cannot be written.
        """
        if found := self.find(kind, key):
            return found
        entry = self.root / kind / key
        try:
            with made_aside(entry) as aside:
                fill(aside)
        except OSError:
            if not entry.is_dir():
                raise
        # Made here, or by somebody who was first: theirs stands.
        return entry

    def discard(self, kind: str, key: str) -> None:
        """Remove an entry that is damaged. It is gone at once, for everybody, and can be made again."""
        entry = self.root / kind / key
        aside = Path(tempfile.mkdtemp(prefix=f".{key[:8]}-", dir=entry.parent))
        try:
            entry.rename(aside)
        except FileNotFoundError:  # somebody else was first
            pass
        finally:
            shutil.rmtree(aside)


@contextmanager
def made_aside(target: Path) -> Iterator[Path]:
    """A folder to fill, renamed to `target` when the block ends well: it is there whole or not at all.

    Raises:
        DiskError: it cannot be written.
        OSError: `target` is there already, and not empty.
    """
    parent = target.absolute().parent
    with disk_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name[:8]}-", dir=parent))
    try:
        with disk_errors(parent):  # ends before the clean-up, which makes room again
            yield aside
            aside.chmod(0o755)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


class disk_errors:  # noqa: N801 - reads as a statement: `with disk_errors(folder):`
    """Turns the refusal of a disk to be written to into one sentence, a DiskError that names the folder.

    Libraries and child processes report a full disk as anything: a RuntimeError, a short write, an exit status. So
    whatever failed, a probe is written then, to the folder and to the one of temporary files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, DiskError):
            return
        if isinstance(error, OSError) and error.errno in _WRITE_REFUSED:
            raise _disk_error(self.folder, error, named=error.filename2 or error.filename) from error
        for folder in (_nearest_existing(self.folder), Path(tempfile.gettempdir())):
            if refusal := _refusal(folder):
                raise _disk_error(folder, refusal) from error


_WRITE_REFUSED = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR),  # a file where a folder should be, or the other way round
}
_PROBE_BYTES = 1 << 20


def write_whole(path: Path, text: str) -> None:
    """Write a file aside and rename it into place, its folder made: it is there whole or not at all.

    Raises:
        DiskError: it cannot be written.
    """
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def _refusal(folder: Path) -> OSError | None:
    """Why a MiB cannot be written into an existing folder; None if it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
    except OSError as refusal:
        return refusal
    return None


def _disk_error(folder: Path, refusal: OSError, *, named: object = None) -> DiskError:
    found, advice = str(refusal.strerror), "mend that"
    if refusal.errno in (errno.ENOSPC, errno.EDQUOT):
        found += f", {shutil.disk_usage(_nearest_existing(folder)).free >> 20} MiB free"
        advice = "make room"
    return DiskError(
        f"Cannot write {named or f'below {folder}'} ({found}): {advice}, or name another place "
        "(--set cache=FOLDER for the cache, TMPDIR for temporary files)."
    )


def _nearest_existing(folder: Path) -> Path:
    return next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
