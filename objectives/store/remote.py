"""A cache behind the local one, in an object store or on a file system that fsspec reaches.

Below the URL lie `blobs/<2 hex>/<sha256>`, the bytes of every file under their own hash, and `<kind>/<key>.json`, the
seal of an entry, which is written last. An entry is there when its seal is, whoever was cut off when; equal files lie
there once; and two that write the same entry at once do not mix their files.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ...errors import StudyFileError
from .disk import NO_ROOM
from .seal import SEAL, Seal, SealedFile, seal_of

T = TypeVar("T")

RETRY_S = 600.0  # a remote that failed is left alone for so long: each try may take a minute to fail

_log = logging.getLogger(__name__)
_resting: dict[str, float] = {}  # until when, by time.monotonic(), by URL; who is in it has been told of


@dataclass(frozen=True)
class Remote:
    """Entries by kind and key, at a URL. It may fail or be absent at any time: that is said once, and never raised.

    Args:
        url: `s3://bucket/prefix`, `gs://...`, `file:///...` and whatever else fsspec has a driver for.
    """

    url: str

    def check(self) -> None:
        """See that there is a driver. Nothing is connected to.

        Raises:
            StudyFileError: there is none.
        """
        scheme, found, _ = self.url.partition("://")
        if not found:
            raise StudyFileError("cache_remote is no URL: write one such as s3://bucket/prefix or file:///folder.")
        try:
            from fsspec import get_filesystem_class
        except ImportError:
            raise StudyFileError("cache_remote needs fsspec: pip install 'qpareto[remote]', or leave it out.") from None
        try:
            get_filesystem_class(scheme)
        except (ImportError, ValueError) as error:
            raise StudyFileError(f"cache_remote cannot be used: {scheme}:// has no driver here ({error}).") from None

    def seal(self, kind: str, key: str) -> Seal | None:
        """The seal of an entry; None if it is not there, or nothing can be had."""

        def read(system: Any, root: str) -> Seal | None:
            try:
                return Seal.from_text(system.cat_file(f"{root}/{kind}/{key}.json").decode(errors="replace"))
            except FileNotFoundError:
                return None

        return self._tried(read)

    def fetch(self, sealed: Seal, folder: Path) -> bool:
        """Fill an empty folder with an entry's files and its seal, every byte checked. False if it cannot be done.

        Raises:
            OSError: the folder has no room.
        """

        def read(system: Any, root: str) -> bool:
            for name, file in sealed.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                if not self._is_fetched(system, _blob(root, file), file, folder / name):
                    return False
            sealed.save(folder)
            return True

        return bool(self._tried(read, raised=NO_ROOM))

    def push(self, kind: str, key: str, entry: Path) -> bool:
        """Upload a sealed entry. False if it cannot be done."""
        sealed = seal_of(entry)

        def write(system: Any, root: str) -> bool:
            if sealed is None:
                return False
            for name, file in sealed.files.items():
                if not _has(system, _blob(root, file), file):
                    system.put_file(str(entry / name), _blob(root, file))
            system.put_file(str(entry / SEAL), f"{root}/{kind}/{key}.json")
            return True

        return bool(self._tried(write))

    def __str__(self) -> str:
        return self._without_secrets(self.url)

    def _is_fetched(self, system: Any, blob: str, file: SealedFile, target: Path) -> bool:
        try:
            system.get_file(blob, str(target))
        except FileNotFoundError:  # there by its seal, but removed by age, for one
            return False
        if SealedFile.of_file(target) == file:
            return True
        _log.warning("A file in the remote cache %s is not what was put there: it is removed, and made again.", self)
        system.rm_file(blob)
        return False

    def _tried(self, work: Callable[[Any, str], T], *, raised: Collection[int] = ()) -> T | None:
        """What the work returns; None while the remote is left alone, or if it fails.

        Args:
            raised: errors of the operating system that are no fault of the remote's.
        """
        if time.monotonic() < _resting.get(self.url, 0.0):
            return None
        try:
            return work(*self._system())
        except Exception as error:  # the border to fsspec, whose drivers raise whatever they met
            if isinstance(error, OSError) and error.errno in raised:
                raise
            self._rest(error)
        return None

    def _system(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        options = {"auto_mkdir": True} if self.url.startswith(("file:", "local:")) else {}
        system, root = url_to_fs(self.url, **options)
        return system, root.rstrip("/")

    def _rest(self, error: Exception) -> None:
        if self.url not in _resting:
            reason = " ".join(self._without_secrets(f"{type(error).__name__}: {error}").split())
            _log.warning(
                "The remote cache %s failed (%s): the local one goes on alone, and it is tried again every %g minutes.",
                *(self, reason, RETRY_S / 60),
            )
        _resting[self.url] = time.monotonic() + RETRY_S

    def _without_secrets(self, text: str) -> str:
        """The text without the URL's user, password and query, wherever they stand."""
        parts = urlsplit(self.url)
        for secret in filter(None, (f"{parts.netloc.rpartition('@')[0]}@", parts.password, f"?{parts.query}")):
            text = text.replace(secret, "") if len(secret) > 1 else text
        return text


def _blob(root: str, file: SealedFile) -> str:
    return f"{root}/blobs/{file.sha256[:2]}/{file.sha256}"


def _has(system: Any, path: str, file: SealedFile) -> bool:
    """Whether a blob is there whole: one that was cut off is shorter."""
    try:
        return bool(system.info(path)["size"] == file.bytes)
    except FileNotFoundError:
        return False
