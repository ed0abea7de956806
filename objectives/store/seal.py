"""Seals: what an entry's files held when they were written, so that no damaged one is ever used."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

SEAL = "seal.json"
_VERSION = 2

Stamp = tuple[tuple[str, int, int, int], ...]

_whole: dict[Path, Stamp] = {}  # what this process has found to be whole, and how it looked then


class SealedFile(NamedTuple):
    """What a file held when it was sealed; `sha256` as `sha256sum` prints it."""

    bytes: int
    sha256: str

    @classmethod
    def of_file(cls, path: Path) -> SealedFile:
        """What it holds now."""
        with path.open("rb") as stream:
            return cls(path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest())


@dataclass(frozen=True)
class Seal:
    """The files of a folder, by their paths in it, with slashes."""

    files: dict[str, SealedFile]

    @classmethod
    def of_files(cls, folder: Path) -> Seal:
        """What the folder's files hold now."""
        return cls({path.relative_to(folder).as_posix(): SealedFile.of_file(path) for path in _files(folder)})

    @classmethod
    def from_text(cls, text: str) -> Seal | None:
        """None if it is no seal of this version, or names a file outside of its folder."""
        try:
            found = json.loads(text)
            if found["seal"] != _VERSION:
                return None
            files = {name: SealedFile(int(size), str(digest)) for name, (size, digest) in found["files"].items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return cls(files) if all(map(_is_inside, files)) else None

    def to_text(self) -> str:
        return json.dumps({"seal": _VERSION, "files": self.files}, indent=1) + "\n"

    def save(self, folder: Path) -> None:
        """Write it into the folder of its files, which others may read from then on, whatever the umask."""
        (folder / SEAL).write_text(self.to_text(), encoding="utf-8")
        for name in (*self.files, SEAL):
            (folder / name).chmod(0o644)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())


def seal(folder: Path) -> None:
    """Note what a folder's files hold now: with anything else in them it is taken for damaged."""
    Seal.of_files(folder).save(folder)


def seal_of(folder: Path) -> Seal | None:
    """None if there is none, or it is damaged."""
    try:
        return Seal.from_text((folder / SEAL).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None


def is_whole(folder: Path) -> bool:
    """Whether the folder holds the very files that were sealed. Reads all of them.

    Raises:
        FileNotFoundError: they are taken away meanwhile.
    """
    sealed = seal_of(folder)
    if sealed is None:
        return False
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder)}
    if sizes != {name: file.bytes for name, file in sealed.files.items()}:
        return False
    try:
        return sealed == Seal.of_files(folder)
    except OSError as error:
        if error.errno == errno.EIO:  # the disk itself knows
            return False
        raise


def is_whole_or_was(folder: Path) -> bool:
    """As `is_whole`, but a process reads the files once: from then on sizes, times and inodes tell of a change.

    Raises:
        FileNotFoundError: the folder is not there, or is taken away meanwhile.
    """
    stamp = _stamp(folder)  # taken before the files are read: what changes meanwhile is read again
    if _whole.get(folder) == stamp:
        return True
    if not is_whole(folder):
        return False
    _whole[folder] = stamp
    return True


def remember_whole(folder: Path) -> None:
    """Take a folder that this process has just sealed for whole: it need not be read again."""
    _whole[folder] = _stamp(folder)


def _stamp(folder: Path) -> Stamp:
    found = ((path, path.stat()) for path in (*_files(folder), folder / SEAL) if path.exists())
    return tuple((str(path), s.st_size, s.st_mtime_ns, s.st_ino) for path, s in found)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / SEAL)


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and str(path) == name
