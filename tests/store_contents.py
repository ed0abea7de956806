"""Entries for tests of the store, and what a folder holds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from qpareto.objectives.store import SEAL

LONG_AGO_S = 7200.0


def write_one(folder: Path) -> None:
    (folder / "one.txt").write_text("1")


def of_size(size_bytes: int) -> Callable[[Path], None]:
    """Fills an entry that takes so many bytes, or a little more, its seal included."""

    def fill(folder: Path) -> None:
        (folder / "zeros.bin").write_bytes(bytes(max(size_bytes - 150, 0)))

    return fill


def contents(folder: Path) -> list[str]:
    """Every file and folder below, hidden ones too, but for seals."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != SEAL)


def flip_a_byte(path: Path, place: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x55
    path.write_bytes(content)


def unused_for(folder: Path, seconds: float = LONG_AGO_S) -> None:
    """Let an entry look as if it was last used so long ago."""
    then = time.time() - seconds
    os.utime(folder, (then, then))
