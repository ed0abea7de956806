"""Writing so that all is there or nothing, and telling in one sentence why a disk refuses it."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import DiskError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

_ASIDE = ".aside"


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
        aside = new_aside(target)
    try:
        with disk_errors(parent):  # ends before the clean-up, which makes room again
            yield aside
            aside.chmod(0o755)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def new_aside(target: Path) -> Path:
    """A new, hidden folder beside the target, whose name tells what it is: see `is_aside`."""
    return Path(tempfile.mkdtemp(prefix=f".{target.name[:8]}-", suffix=_ASIDE, dir=target.absolute().parent))


def is_aside(path: Path) -> bool:
    """Whether `new_aside` named it so: what a killed process left, unless somebody fills it now."""
    return path.name.startswith(".") and path.name.endswith(_ASIDE)


def apparent_bytes(folder: Path) -> int:
    """Of all files below, as large as they say they are; 0 if it is not there. Files may come and go meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).lstat().st_size
    return total


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
    *NO_ROOM,
    *(errno.EACCES, errno.EPERM, errno.EROFS),
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


def replace_file(path: Path, content: bytes) -> None:
    """Write aside and rename: a reader, or a killed writer, never sees half of it."""
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    Path(aside).chmod(0o644)
    Path(aside).rename(path)


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
    if refusal.errno in NO_ROOM:
        found += f", {shutil.disk_usage(_nearest_existing(folder)).free >> 20} MiB free"
        advice = "make room"
    return DiskError(
        f"Cannot write {named or f'below {folder}'} ({found}): {advice}, or name another place "
        "(for the cache by `cache:` in the study file, or by HOME for `init`; for temporary files by TMPDIR)."
    )


def _nearest_existing(folder: Path) -> Path:
    return next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
