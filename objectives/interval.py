"""A figure with its 95 % interval."""

from __future__ import annotations

from typing import NamedTuple


class Interval(NamedTuple):
    """A figure, and the range that it keeps to: low <= high. A bootstrap's range need not hold the figure itself."""

    value: float
    low: float
    high: float

    @property
    def ends(self) -> tuple[float, float]:
        return self.low, self.high
