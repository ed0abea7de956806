"""The contract that every place where workers run keeps; `tests/contracts/places.py` is its test suite."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

Work = Callable[[], object]
"""What a worker does: anything that can be pickled by the name of its module, which is not `__main__`.

It is done well when it returns, refuses by a QParetoError, and is asked to stop gently by SIGTERM.
"""

REFUSED = 3  # exit status of a worker that a QParetoError ended; Python's own for a bug is 1
LOST = "was lost with the machine it ran on"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a worker ended.

    Args:
        status: its exit status, 0 if its work is done, negative the signal that killed it; None if its machine is gone.
        last_words: the last line of its log, which is the sentence of its refusal if it refused; may be empty.
    """

    status: int | None
    last_words: str = ""

    @property
    def is_done(self) -> bool:
        return self.status == 0

    @property
    def is_refusal(self) -> bool:
        return self.status == REFUSED

    def __str__(self) -> str:
        if self.status is None:
            return LOST
        if self.status < 0:
            return f"was killed by {signal.Signals(-self.status).name}"
        return f"ended: {self.last_words}" if self.last_words else f"ended with exit status {self.status}"


class Place(ABC):
    """Where workers run, each told by a number from 0. A context manager: whoever is left is killed at its end."""

    @abstractmethod
    def start(self, worker: int, work: Work) -> None:
        """Start a worker that does not run now; it begins when the place has room for it."""

    @abstractmethod
    def ending(self, worker: int) -> Ending | None:
        """How a started worker ended; None while it runs or waits for room. Never blocks for long."""

    @abstractmethod
    def stop(self, worker: int) -> None:
        """Ask a worker to end gently: what it has begun it finishes. One that waits for room never begins."""

    @abstractmethod
    def kill(self, worker: int) -> None:
        """End a worker at once, with all processes that it has started."""

    @abstractmethod
    def logs(self) -> str:
        """Where the workers' logs are, for people."""

    @abstractmethod
    def close(self) -> None:
        """Kill whoever is left, and free what the place holds. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
