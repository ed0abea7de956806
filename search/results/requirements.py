"""Requirements: limits that an engine must keep, such as at most 0.01 mAP50-95 below the reference.

One rule of chance stands behind all: a figure is taken as normal around what was measured, as wide toward the limit as
its 95 % interval is on that side.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from ...errors import QParetoError
from ...objectives.interval import Interval
from ...objectives.measurement import Measurement
from .quantities import OF_CLASS, QUANTITIES, ROUNDING, Quantity, quantity_of

PRESETS = {"yolo-99": ("map_share", 0.99), "yolo-95": ("map_share", 0.95)}  # MLPerf inference's floors of accuracy

_REACH = NormalDist().inv_cdf(0.975)  # standard deviations from the middle of a 95 % interval to its end


@dataclass(frozen=True)
class Requirement:
    """One limit.

    Args:
        name: a key of `QUANTITIES`, or `ap[CLASS]`.
        limit: in that quantity's unit.
        preset: the key of `PRESETS` by which it was asked for, if it was.

    Raises:
        QParetoError: there is no such quantity, or the limit makes no sense for it.
    """

    name: str
    limit: float
    preset: str | None = None

    def __post_init__(self) -> None:
        if quantity_of(self.name) is None:
            raise QParetoError(_unknown(self.name))
        words, allows = self.quantity.span
        if not (math.isfinite(self.limit) and allows(self.limit)):
            raise QParetoError(
                f"The requirement {self} is out of range: {self.name} is {self.quantity.meaning}, so its limit lies "
                f"{words}; write one such as {self.name}={self.quantity.example:g}."
            )

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Read `NAME=LIMIT`, or the name of a preset.

        Raises:
            QParetoError: it is neither.
        """
        name, separator, limit = text.partition("=")
        if name in PRESETS:
            if separator:
                raise QParetoError(f"The requirement '{text}': {name} is a preset and takes no limit; write {name}.")
            return cls(*PRESETS[name], preset=name)
        if (quantity := quantity_of(name)) is None:
            raise QParetoError(_unknown(name))
        try:
            return cls(name, float(limit))
        except ValueError:
            found = f"'{limit}' is no number" if limit else "it has no limit"
            example = f"{name}={quantity.example:g}"
            raise QParetoError(f"The requirement '{text}': {found}; write one such as {example}.") from None

    def __str__(self) -> str:
        return self.preset or f"{self.name}={self.limit:g}"

    @property
    def quantity(self) -> Quantity:
        found = quantity_of(self.name)
        assert found is not None  # refused at birth
        return found

    def of(self, measurement: Measurement) -> Finding:
        """How a measurement stands to it."""
        own = self.quantity.of_reference(measurement)
        scale = max(abs(self.limit - own), 0.01 * max(own, 1.0))
        return Finding(requirement=self, figure=self.quantity.read(measurement), scale=scale)

    def as_json(self) -> dict[str, Any]:
        """`name`, `sense` (`at most` or `at least`), `limit`, `meaning` with its unit, `preset` or null."""
        told = {"name": self.name, "sense": self.quantity.sense, "limit": self.limit}
        return {**told, "meaning": self.quantity.meaning, "preset": self.preset}


@dataclass(frozen=True)
class Requirements:
    """What all must hold, in the order in which it was asked for.

    Raises:
        QParetoError: nothing is required, or two limits are of one quantity: they repeat or contradict each other.
    """

    each: tuple[Requirement, ...]

    def __post_init__(self) -> None:
        if not self.each:
            raise QParetoError("Nothing is required: name at least one limit, such as map_drop=0.01.")
        first: dict[str, Requirement] = {}
        for requirement in self.each:
            other = first.setdefault(requirement.name, requirement)
            if other is not requirement:
                raise QParetoError(
                    f"{requirement.name} is required twice, by {other} and by {requirement}: leave one of them out."
                )

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Requirements:
        """Read each as `Requirement.parse`."""
        return cls(tuple(Requirement.parse(text) for text in texts))

    def __iter__(self) -> Iterator[Requirement]:
        return iter(self.each)

    def __str__(self) -> str:
        return " and ".join(map(str, self.each))

    def of(self, measurement: Measurement) -> tuple[Finding, ...]:
        """How a measurement stands to each."""
        return tuple(requirement.of(measurement) for requirement in self.each)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How one measurement stands to one requirement.

    Args:
        figure: with its 95 % interval; None where the device tells none, so nothing is met.
        scale: what `violation` is a part of, in the requirement's unit, above 0.
    """

    requirement: Requirement
    figure: Interval | None
    scale: float

    @property
    def excess(self) -> float:
        """How far beyond the limit the figure is, in the requirement's unit; below 0, what is left; inf if untold."""
        return math.inf if self.figure is None else self._turned(self.figure.value)

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps the limit, whatever its interval."""
        return self.excess <= ROUNDING

    @property
    def is_sure(self) -> bool:
        """Whether it is met over the whole of its 95 % interval."""
        return self.figure is not None and max(map(self._turned, self.figure)) <= ROUNDING

    @property
    def is_possible(self) -> bool:
        """Whether it is met somewhere in the 95 % interval."""
        return self.figure is not None and min(map(self._turned, self.figure)) <= ROUNDING

    @property
    def violation(self) -> float:
        """Excess as a part of the way from the limit to the reference's own figure; 0 if met, inf if untold.

        So who loses twice the mAP that may be lost is as far off, by 1, as who is no faster than the reference: shares
        of the limits themselves would make half a point of mAP out of 40 less than a hundredth of the latency. The
        way is never taken below 0.01 (of the reference's figure, where that is above 1); where the reference's is
        not told, it is the limit.
        """
        return max(0.0, self.excess) / self.scale if not self.is_met else 0.0

    @property
    def probability(self) -> float:
        """That the limit is kept, 0..1: the normal distribution whose deviation is the interval's arm toward the limit.

        So it is 0.975 where the limit lies at the interval's end, and 0.5 on the figure. Without an interval (size,
        energy, the reference against itself) the figure alone decides. Ignored are: that the best of many are lucky
        in part; what is wrong with a timing as a whole (flags); and how the images were chosen.
        """
        if self.figure is None:
            return 0.0
        value, low, high = self.figure
        arms = (value - low, high - value)
        ours = arms[(self.requirement.limit > value)]
        deviation = (ours or max(arms)) / _REACH
        if deviation <= ROUNDING:
            return 1.0 if self.is_met else 0.0
        return NormalDist().cdf(-self.excess / deviation)

    @property
    def verdict(self) -> str:
        """Whether it is met, in words that go on after `met:`."""
        if self.figure is None:
            return "no, not told by this device"
        if self.figure.low == self.figure.high:
            return "yes" if self.is_met else "no"
        if self.is_met:
            return "beyond its 95 % interval" if self.is_sure else "by the figure, but its interval crosses the limit"
        return "no, but its interval reaches the limit" if self.is_possible else "no"

    def as_json(self) -> dict[str, Any]:
        """`name`, `limit`, `value`, `ci` (low, high), `met`, `sure`, `probability`, and `excess` in the unit.

        Null where the device tells no figure.
        """
        told = self.figure
        return {
            "name": self.requirement.name,
            "limit": self.requirement.limit,
            "value": told and told.value,
            "ci": told and [told.low, told.high],
            "met": self.is_met,
            "sure": self.is_sure,
            "probability": self.probability,
            "excess": told and self.excess,
        }

    def _turned(self, value: float) -> float:
        """How far beyond the limit a value is; below 0, what is left."""
        apart = value - self.requirement.limit
        return apart if self.requirement.quantity.sense == "at most" else -apart


def _unknown(name: str) -> str:
    known = [*QUANTITIES, OF_CLASS, *PRESETS]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
    return f"'{name}' is nothing that can be required: the nearest is '{near}', of {', '.join(known)}."
