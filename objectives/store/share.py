"""Work that several processes want done, each part by one of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from .disk import disk_errors
from .turn import claim


def do_all(parts: Mapping[str, Callable[[], object]], *, folder: Path) -> None:
    """Do every part, in any order; what another process is doing is left to it while there is something else to do.

    Args:
        parts: by names that all processes give them. Each is called once by every process: one that is done already, or
            is being done elsewhere, sees that by itself.
        folder: of the locks, the same for all processes; made if it is not there.

    Raises:
        DiskError: the folder cannot be made.
        Exception: what doing a part raises; the rest is not done.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    left = dict(parts)
    while left:
        name = _done_at_once(left, folder)
        if name is None:  # others do all that is left
            name = random.choice(list(left))
            left[name]()
        del left[name]


def _done_at_once(parts: Mapping[str, Callable[[], object]], folder: Path) -> str | None:
    """The name of a part that nobody was doing, and that is done; None if there was none."""
    for name, do in parts.items():
        with claim(folder / f".{name}-part.lock") as is_ours:
            if is_ours:
                do()
                return name
    return None
