"""Work that several processes want done, each part by one of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One of many that are wanted, such as an entry of a store.

    Args:
        make: makes it unless it is there; where another process does so just now, it waits for that.
        is_being_made: whether another process makes it just now.
    """

    make: Callable[[], object]
    is_being_made: Callable[[], bool]


def make_all(parts: Sequence[Part]) -> None:
    """Make every part, in any order; what others are making is left to them while there is something else to make.

    Two processes that look at the same moment may begin with the same part, so that one waits for the other: each
    begins with one of its own choice.

    Raises:
        Exception: what making a part raises; the rest is not made.
    """
    left = list(parts)
    while left:
        free = [part for part in left if not part.is_being_made()]
        part = random.choice(free or left)
        left.remove(part)
        part.make()
