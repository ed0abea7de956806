"""The file of kernels' timings by which builds choose kernels: begun once, named, and had by other machines too.

Builds by another such file choose other kernels, so its name is in the key of every engine that was built by it. The
name stands beside it, in a file of its own, and goes along wherever the folder is copied. Files from before they had
names have none, and neither has one that is laid there without.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from ..store import Store, content_key, disk_errors, replace_file, write_whole
from ..store.turn import turn

TIMINGS = 1
_NAMES = ("timings", "name")  # in an entry of the store


def name_of_timings(file: Path, store: Store) -> str | None:
    """Its name; None if it has none. One that is not there is begun, by what another machine has shared if any has.

    Args:
        store: in whose remote others share theirs.

    Raises:
        DiskError: it cannot be begun.
    """
    with disk_errors(file.parent):
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            with turn(file.with_suffix(".begun")):
                if not file.exists():
                    _begin(file, store)
        try:
            return _name(file).read_text(encoding="ascii")
        except FileNotFoundError:
            return None


def rename_timings(file: Path) -> None:
    """Give it another name, since what it held is gone.

    Raises:
        DiskError: it cannot be written.
    """
    write_whole(_name(file), secrets.token_hex(8))


def share_timings(file: Path, store: Store) -> None:
    """Have other machines begin with what is in it now, if they share a remote and it has none for such GPUs yet.

    Raises:
        DiskError: the store cannot be written.
    """
    if store.remote is None or not _name(file).is_file():
        return

    def fill(folder: Path) -> None:
        for source, name in zip((file, _name(file)), _NAMES, strict=True):
            shutil.copyfile(source, folder / name)

    store.make("timings", _key(file), fill)


def _begin(file: Path, store: Store) -> None:
    """Its name first: where there is a file that was begun there is one."""
    shared = store.find("timings", _key(file))
    if shared is None:
        rename_timings(file)
        file.touch()
        return
    timings, name = (shared / each for each in _NAMES)
    write_whole(_name(file), name.read_text(encoding="ascii"))
    replace_file(file, timings.read_bytes())


def _name(file: Path) -> Path:
    return file.with_suffix(".name")


def _key(file: Path) -> str:
    """Files of the same name are of one model of GPU and one version of a library."""
    return content_key(file=file.name, made_by=TIMINGS)
