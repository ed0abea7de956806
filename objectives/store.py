"""The content-addressed cache: what a step made is kept under the hash of everything that decided it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
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
        with disk_errors(self.root):
            (self.root / kind).mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=f".{key[:8]}-", dir=self.root / kind))
            try:
                fill(aside)
                return _renamed(aside, self.root / kind / key)
            finally:
                shutil.rmtree(aside, ignore_errors=True)


class disk_errors:  # noqa: N801 - reads as a statement: `with disk_errors(folder):`
    """Turns an operating system's refusal to write into one sentence that names the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno in _WRITE_REFUSED:
            free = shutil.disk_usage(_nearest_existing(self.folder)).free >> 20
            raise DiskError(
                f"Cannot write below {self.folder} ({os.strerror(error.errno or 0)}, {free} MiB free): "
                f"make room or name another folder with --set cache=FOLDER."
            ) from error


_WRITE_REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


def _nearest_existing(folder: Path) -> Path:
    return next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())


def _renamed(aside: Path, entry: Path) -> Path:
    """Publish a finished folder; if somebody else was first, theirs stands."""
    aside.chmod(0o755)
    try:
        aside.rename(entry)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    return entry
