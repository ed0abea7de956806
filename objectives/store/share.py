"""Work that several processes want done, each part by one of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One of many that are to be done, such as an entry of a store that is to be made.

    Args:
        do: does it unless it is done; where another process does it just now, it waits for that.
        is_being_done: whether another process does it just now.
    """

    do: Callable[[], object]
    is_being_done: Callable[[], bool]


def do_all(parts: Sequence[Part]) -> None:
    """Do every part, in any order; what others are doing is left to them while there is something else to do.

    Each process begins with a part of its own choice. Two that look at the same moment may choose the same, so that one
    waits for the other.

    Raises:
        Exception: what doing a part raises; the rest is not done.
    """
    left = list(parts)
    while left:
        free = [part for part in left if not part.is_being_done()]
        part = random.choice(free or left)
        left.remove(part)
        part.do()
