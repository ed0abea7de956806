"""A point: a complete trial with all that was measured of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...errors import CandidateError
from ...objectives.engines import engine_kind
from ...objectives.latency.spread import Spread, timings_of_spread
from ...objectives.measurement import Measurement
from ...objectives.objective import accuracy_on_images_of, values_of
from .figures import Figures, figures_of


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
        engine = self.measurement.engine
        return f"INT8 and {engine.float_type}" if engine.int8_layers else engine.float_type

    @cached_property
    def figures(self) -> Figures:
        """Those that count, and where they are from."""
        return figures_of(self.measurement, confirmed=self.again, fresh=self.fresh, spread=self.spread)

    @property
    def measurements(self) -> list[Measurement]:
        """All that was measured of it, in that order."""
        return [found for found in (self.measurement, self.again, self.fresh) if found is not None]

    @property
    def again(self) -> Measurement | None:
        """What it scored when it was measured once more; None where it was not, or could not be."""
        return self.confirmed if isinstance(self.confirmed, Measurement) else None

    @property
    def decisive(self) -> Measurement:
        """The figures that count, as a measurement."""
        return self.figures.measurement

    @property
    def is_measured_again(self) -> bool:
        """Whether other figures count than those that the search picked it by."""
        return len(self.measurements) > 1

    @property
    def comparable_accuracy(self) -> float:
        """Accuracy on the scale of the search's images, 0..1, also where the figure that counts is of others."""
        return accuracy_on_images_of(self.decisive, self.measurement)

    def values(self, objectives: Sequence[str]) -> tuple[float, ...]:
        """The objectives' figures that count, on the scale of the search's images, in their own directions."""
        return values_of(self.decisive, objectives, images_of=self.measurement)

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
        if self.again is not None:
            told["confirmed"] = self.again.as_json()
        elif self.confirmed is not None:
            told["refuted"] = self.refuted
        return told


def spread_of(points: Iterable[Point]) -> Spread | None:
    """How far timings lie apart: what the study's machines found, or what points show that were confirmed, if more.

    Of these points, engines without INT8 layers do not count: timed against their like they lie closer together.

    Returns:
        None where each measurement knows as much by itself: one machine found it, and no point was confirmed.
    """
    spreads, repeats = {}, []
    for point in points:
        first, again = point.measurement.timing, point.again
        for found in point.measurements:
            if (deviation := found.timing.spread) is not None:
                kind = engine_kind(found.engine.kind)
                timings = timings_of_spread(chooses_kernels=kind.chooses_kernels)
                spreads[deviation] = Spread(deviation=deviation, timings=timings)
        if point.measurement.engine.int8_layers and first.spread is not None and again is not None:
            repeats.append(((first.ratio.value, first.timings), (again.timing.ratio.value, again.timing.timings)))
    if len(spreads) < 2 and not repeats:
        return None
    return Spread.pooled(list(spreads.values())).with_repeats(repeats)
