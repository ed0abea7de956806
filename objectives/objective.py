"""The objectives: what a study may search for, which way is better, and what is known of each figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from .engines import EngineKind
from .measurement import Measurement


def _no_interval(_: Measurement) -> tuple[float, float] | None:
    return None


def _any_kind(_: EngineKind) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One figure that a study may optimize: a field of `Measurement`.

    Args:
        field: of `Measurement`, a number, or None where the device does not tell it; the objective's name.
        direction: which way is better; nothing else in the package knows.
        label: for people.
        unit: or the range, for people.
        measured_by: whether engines of a kind can tell it at all.
        interval: 95 % interval, (low, high), on a scale on which two measurements of a study compare; None for a figure
            of which any difference is one.
        on_images_of: the figure of a measurement, the first, as it would be on the images of another one of the same
            engine, the second; None if it does not depend on images.
    """

    field: str
    direction: Literal["maximize", "minimize"]
    label: str
    unit: str
    measured_by: Callable[[EngineKind], bool] = _any_kind
    interval: Callable[[Measurement], tuple[float, float] | None] = _no_interval
    on_images_of: Callable[[Measurement, Measurement], float] | None = None

    @property
    def title(self) -> str:
        """`latency (ms)`."""
        return f"{self.label} ({self.unit})"

    def better(self, one: Measurement, other: Measurement) -> bool:
        """Whether one is better beyond both intervals; without intervals, by whatever little."""
        mine, theirs = self.interval(one), self.interval(other)
        if mine is None or theirs is None:
            mine, theirs = (self._exact(one), self._exact(other))
        return mine[0] > theirs[1] if self.direction == "maximize" else mine[1] < theirs[0]

    def ties(self, one: Measurement, other: Measurement) -> bool:
        """Whether the intervals overlap; a figure without one settles no tie."""
        return self.interval(one) is None or not (self.better(one, other) or self.better(other, one))

    def _exact(self, found: Measurement) -> tuple[float, float]:
        value = float(getattr(found, self.field))
        return value, value


def map50_95_on_images_of(found: Measurement, other: Measurement) -> float:
    """The other's reference and this one's change: two sets of images are not equally hard, but changes compare."""
    if found.dataset_hash == other.dataset_hash:
        return found.map50_95
    return other.reference_map50_95 + found.map50_95_change


_TABLE = (
    Objective(
        field="map50_95",
        direction="maximize",
        label="mAP50-95",
        unit="0 to 1",
        interval=lambda found: found.map50_95_change_ci,
        on_images_of=map50_95_on_images_of,
    ),
    Objective(
        field="latency_ms",
        direction="minimize",
        label="latency",
        unit="ms",
        interval=lambda found: found.latency_ratio_ci,
    ),
    Objective(field="engine_bytes", direction="minimize", label="engine", unit="bytes"),
    Objective(
        field="energy_mj",
        direction="minimize",
        label="energy",
        unit="mJ a run",
        measured_by=lambda kind: kind.tells_energy,
    ),
)
OBJECTIVES = {objective.field: objective for objective in _TABLE}


def directions_of(objectives: Sequence[str]) -> list[Literal["maximize", "minimize"]]:
    """Optuna's direction of each of these objectives."""
    return [OBJECTIVES[name].direction for name in objectives]
