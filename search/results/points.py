"""A point: a complete trial with all that was measured of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...errors import CandidateError
from ...objectives.latency.spread import BUILDS, PROCESSES, Spread
from ...objectives.measurement import Measurement
from ...objectives.objective import OBJECTIVES, map50_95_on_images_of
from .figures import Figures, figures_of, measured_again


@dataclass(frozen=True, kw_only=True)
class Point:
    """A complete trial.

    Args:
        trial: its number.
        measurement: the search's.
        baseline: the recipe's name if it is one.
        confirmed: what the same candidate scored when it was built and measured once more, after the search; or why
            it could not be; None before that.
        fresh: what its engine scored that was built for an export, the last one; None before that.
        spread: of timings, where the study knows it better than each measurement did.
    """

    trial: int
    measurement: Measurement
    baseline: str | None
    confirmed: Measurement | CandidateError | None = None
    fresh: Measurement | None = None
    spread: Spread | None = None

    @property
    def title(self) -> str:
        """Its number, and the recipe's name if it is one: `2 ultralytics`."""
        return f"{self.trial} {self.baseline}" if self.baseline else str(self.trial)

    @property
    def precision(self) -> str:
        """What its layers run in: `bf16`, or `INT8 and fp32`."""
        own = self.measurement.float_type
        return f"INT8 and {own}" if self.measurement.int8_layers else own

    @cached_property
    def figures(self) -> Figures:
        """Those that count, and where they are from."""
        again = measured_again(self.confirmed)
        return figures_of(self.measurement, confirmed=again, fresh=self.fresh, spread=self.spread)

    @property
    def measurements(self) -> list[Measurement]:
        """All that was measured of it, in that order."""
        return [found for found in (self.measurement, measured_again(self.confirmed), self.fresh) if found is not None]

    @property
    def decisive(self) -> Measurement:
        """The figures that count, as a measurement."""
        return self.figures.measurement

    @property
    def is_measured_again(self) -> bool:
        """Whether other figures count than those that the search picked it by."""
        return len(self.measurements) > 1

    @property
    def comparable_map50_95(self) -> float:
        """MAP50-95 on the scale of the search's images, 0..1, also where the figure that counts is of others."""
        return map50_95_on_images_of(self.decisive, self.measurement)

    def values(self, objectives: Sequence[str]) -> tuple[float, ...]:
        """The objectives' figures that count, on the scale of the search's images, in their own directions."""
        values = self.decisive.values(tuple(objectives))
        scales = [OBJECTIVES[name].on_images_of for name in objectives]
        return tuple(
            value if scale is None else scale(self.decisive, self.measurement)
            for value, scale in zip(values, scales, strict=True)
        )

    @property
    def refuted(self) -> str | None:
        """Why it could not be built and measured once more; then it is nothing to ship."""
        return str(self.confirmed) if isinstance(self.confirmed, CandidateError) else None

    def as_json(self) -> dict[str, Any]:
        """`trial`, `baseline`, the fields of the search's measurement, `figures`, and `confirmed` or `refuted`.

        `figures` are those that count, see `Figures.as_json`.
        """
        told: dict[str, Any] = {"trial": self.trial, "baseline": self.baseline, **self.measurement.as_json()}
        told["figures"] = self.figures.as_json()
        if isinstance(self.confirmed, Measurement):
            told["confirmed"] = self.confirmed.as_json()
        elif self.confirmed is not None:
            told["refuted"] = str(self.confirmed)
        return told


def spread_of(points: Iterable[Point]) -> Spread | None:
    """How far timings lie apart: what the device showed at first, or what points show that were confirmed, if more.

    Engines without INT8 layers do not count: timed against their like they lie closer together.

    Returns:
        None as long as no point was confirmed whose first timing had a spread.
    """
    deviations, repeats = [], []
    for point in points:
        first, again = point.measurement, measured_again(point.confirmed)
        if first.int8_layers and first.latency_spread is not None and again is not None:
            deviations.append(first.latency_spread)
            repeats.append(((first.latency_ratio, first.latency_timings), (again.latency_ratio, again.latency_timings)))
    if not repeats:
        return None
    return Spread(deviation=deviations[0], timings=BUILDS * PROCESSES).with_repeats(repeats)
