"""The objectives: what a study may search for, which way is better, and what is known of each figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from ..errors import CandidateError
from .accuracy.metrics import METRICS, Metric
from .engines import EngineKind
from .interval import Interval
from .measurement import Measurement


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One figure that a study may optimize.

    Args:
        name: as studies call it.
        value: the figure of a measurement; None where the device does not tell it.
        direction: which way is better; nothing else in the package knows.
        label: for people.
        unit: or the range, for people.
        measured_by: whether engines of a kind can tell it at all.
        interval: the figure with its 95 % interval, on a scale on which two measurements of a study compare; without
            one any difference is a difference.
        on_images_of: the figure of a measurement, the first, as it would be on the images of another one of the same
            engine, the second; None if it does not depend on images.
    """

    name: str
    value: Callable[[Measurement], float | None]
    direction: Literal["maximize", "minimize"]
    label: str
    unit: str
    measured_by: Callable[[EngineKind], bool] = lambda _: True
    interval: Callable[[Measurement], Interval] | None = None
    on_images_of: Callable[[Measurement, Measurement], float] | None = None

    @property
    def title(self) -> str:
        """`latency (ms)`."""
        return f"{self.label} ({self.unit})"

    def better(self, one: Measurement, other: Measurement) -> bool:
        """Whether one is better beyond both intervals; without intervals, by whatever little."""
        mine, theirs = (self.interval(found) if self.interval else self._exact(found) for found in (one, other))
        return mine.low > theirs.high if self.direction == "maximize" else mine.high < theirs.low

    def ties(self, one: Measurement, other: Measurement) -> bool:
        """Whether the intervals overlap; a figure without one settles no tie."""
        return self.interval is None or not (self.better(one, other) or self.better(other, one))

    def told(self, found: Measurement, *, images_of: Measurement | None = None) -> float:
        """The figure, on the images of another measurement of the same engine if one is given.

        Raises:
            CandidateError: the device does not tell it.
        """
        if images_of is not None and self.on_images_of is not None:
            return self.on_images_of(found, images_of)
        if (value := self.value(found)) is None:
            raise CandidateError(f"{found.provenance.device} tells no {self.name}: take it out of `objectives`.")
        return float(value)

    def _exact(self, found: Measurement) -> Interval:
        return Interval(*[self.told(found)] * 3)


def accuracy_on_images_of(found: Measurement, other: Measurement) -> float:
    """The other's reference and this one's change: two sets of images are not equally hard, but changes compare."""
    if found.accuracy.dataset_hash == other.accuracy.dataset_hash:
        return found.accuracy.value
    return other.accuracy.reference_value + found.accuracy.change.value


def _accuracy_by(metric: Metric, found: Measurement) -> float | None:
    """None of a task that is measured by another one."""
    return found.accuracy.value if found.accuracy.metric is metric else None


_TABLE = (
    *(
        Objective(
            name=metric.name,
            value=partial(_accuracy_by, metric),
            direction="maximize",
            label=metric.label,
            unit="0 to 1",
            interval=lambda m: m.accuracy.change,
            on_images_of=accuracy_on_images_of,
        )
        for metric in METRICS.values()  # of which a model's task has one
    ),
    Objective(
        name="latency_ms",
        value=lambda m: m.timing.ms,
        direction="minimize",
        label="latency",
        unit="ms",
        interval=lambda m: m.timing.ratio,
    ),
    Objective(name="engine_bytes", value=lambda m: m.engine.bytes, direction="minimize", label="engine", unit="bytes"),
    Objective(
        name="energy_mj",
        value=lambda m: m.timing.energy_mj,
        direction="minimize",
        label="energy",
        unit="mJ a run",
        measured_by=lambda kind: kind.tells_energy,
    ),
)
OBJECTIVES = {objective.name: objective for objective in _TABLE}


def accuracy_among(objectives: Sequence[str]) -> str | None:
    """Which of these objectives is the accuracy; None if none is."""
    return next((name for name in objectives if name in METRICS), None)


def directions_of(objectives: Sequence[str]) -> list[Literal["maximize", "minimize"]]:
    """Optuna's direction of each of these objectives."""
    return [OBJECTIVES[name].direction for name in objectives]


def values_of(
    found: Measurement, objectives: Sequence[str], *, images_of: Measurement | None = None
) -> tuple[float, ...]:
    """The objectives' figures, in their order, each in its own direction. As `Objective.told`."""
    return tuple(OBJECTIVES[name].told(found, images_of=images_of) for name in objectives)
