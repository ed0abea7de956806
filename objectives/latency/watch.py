"""What a timing is watched by: whatever can tell that something else disturbed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What was seen while something was timed.

    Args:
        disturbance: 0 if nothing disturbed it, else the more the worse.
        flags: what disturbed it, or cannot be told.
        foreign_load: share of the machine's CPU time that others used, 0..1; None if not watched or unknown.
        readings: of the device: clocks, temperature, power and what else its driver tells, by name with unit.
    """

    disturbance: float = 0.0
    flags: tuple[str, ...] = ()
    foreign_load: float | None = None
    readings: Mapping[str, float | str] = field(default_factory=dict)


class Watch(Protocol):
    """Waits for quiet and tells whether it lasted."""

    def wait_until_quiet(self) -> bool:
        """Whether it became quiet in time; True where that cannot be told."""

    def observe(self, work: Callable[[], T]) -> tuple[T, Observation]:
        """Do some work, and tell what else happened meanwhile."""
