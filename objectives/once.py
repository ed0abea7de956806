"""What an object finds out once, however often it is asked: by a method, since it may take minutes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

Owner = TypeVar("Owner")
Found = TypeVar("Found")


def once(method: Callable[[Owner], Found]) -> Callable[[Owner], Found]:
    """A method without arguments whose answer its object keeps, even a frozen one. One that raises is asked again."""
    kept = f"_{method.__name__}_found"

    @wraps(method)
    def found(self: Owner) -> Found:
        if kept not in self.__dict__:
            self.__dict__[kept] = method(self)
        answer: Found = self.__dict__[kept]
        return answer

    return found
