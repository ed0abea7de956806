"""Whether a lock can be had while others are held."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager


def had(lock: AbstractContextManager[object]) -> threading.Event:
    """Set once the lock was had, in a thread of its own, and let go again."""
    event = threading.Event()

    def take() -> None:
        with lock:
            event.set()

    threading.Thread(target=take, daemon=True).start()
    return event


def is_free(lock: AbstractContextManager[object]) -> bool:
    """Whether it could be had, by a thread that may be slow to start."""
    return had(lock).wait(60)


def is_held(lock: AbstractContextManager[object]) -> bool:
    """Whether it could not be had at once."""
    return not had(lock).wait(0.3)
