"""Quantities: what of a measurement may be limited, with its unit, its direction and its 95 % interval."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...errors import QParetoError
from ...objectives.accuracy.metrics import MAP, TOP1, Metric
from ...objectives.interval import Interval
from ...objectives.measurement import Measurement

ROUNDING = 1e-9  # of a difference of two figures: the reference itself loses 0


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A figure that may be limited.

    Args:
        meaning: with its unit.
        sense: on which side of its limit a figure must lie; the limit itself is kept.
        span: what limits make sense, in words and as a rule.
        example: a limit as one would write it.
        digits: behind the point, where a figure is shown.
        source: figures of one source (accuracy, latency, ...) are right or wrong together.
        read: the figure and its 95 % interval, or the figure three times if it has none; None where the device tells
            none.
        of_reference: what the reference has, in the same unit; 0 where that is not told.
        metric: of an accuracy, by which it is measured; others have none of it.
    """

    meaning: str
    sense: Literal["at most", "at least"]
    span: tuple[str, Callable[[float], bool]]
    example: float
    digits: int
    source: str
    read: Callable[[Measurement], Interval | None]
    of_reference: Callable[[Measurement], float] = lambda _: 0.0
    metric: Metric | None = None


def _change(found: Measurement) -> Interval:
    """Of accuracy against the reference, its interval drawn out to the figure where a bootstrap's does not hold it."""
    value, low, high = found.accuracy.change
    return Interval(value, min(low, value), max(high, value))


def _drop(found: Measurement) -> Interval:
    value, low, high = _change(found)
    return Interval(0.0 - value, 0.0 - high, 0.0 - low)  # never -0.0


def _share(found: Measurement) -> Interval:
    """Of a reference that finds nothing all is left."""
    whole = found.accuracy.reference_value
    return Interval(*(1 + change / whole if whole > ROUNDING else 1.0 for change in _change(found)))


def _exact(value: float | None) -> Interval | None:
    return None if value is None else Interval(value, value, value)


_PART = ("from 0 to 1", lambda limit: 0 <= limit <= 1)
_POSITIVE = ("above 0", lambda limit: limit > 0)


def _of_metric(metric: Metric) -> dict[str, Quantity]:
    """What may be limited of an accuracy: `map_drop`, `map_share` and `map50_95`."""
    return {
        f"{metric.stem}_drop": Quantity(
            meaning=f"absolute {metric.label} below the reference (one point is 0.01)",
            sense="at most",
            span=("from 0 and below 1", lambda limit: 0 <= limit < 1),
            example=0.01,
            digits=4,
            source="accuracy",
            read=_drop,
            metric=metric,
        ),
        f"{metric.stem}_share": Quantity(
            meaning=f"part of the reference's {metric.label}",
            sense="at least",
            span=_PART,
            example=0.99,
            digits=4,
            source="accuracy",
            read=_share,
            of_reference=lambda _: 1.0,
            metric=metric,
        ),
        metric.name: Quantity(
            meaning=f"{metric.label} itself",
            sense="at least",
            span=_PART,
            example=0.4,
            digits=4,
            source="accuracy",
            read=lambda found: Interval(*(found.accuracy.reference_value + change for change in _change(found))),
            of_reference=lambda found: found.accuracy.reference_value,
            metric=metric,
        ),
    }


QUANTITIES = {
    **_of_metric(MAP),
    **_of_metric(TOP1),
    "latency_ratio": Quantity(
        meaning="part of the reference's latency",
        sense="at most",
        span=("above 0 and up to 10", lambda limit: 0 < limit <= 10),  # 75 is meant in percent
        example=0.75,
        digits=3,
        source="latency",
        read=lambda found: found.timing.ratio,
        of_reference=lambda _: 1.0,
    ),
    "latency_ms": Quantity(
        meaning="milliseconds of one run",
        sense="at most",
        span=_POSITIVE,
        example=12.5,
        digits=3,
        source="latency",
        read=lambda found: Interval(*(ratio * found.timing.unit_ms for ratio in found.timing.ratio)),
        of_reference=lambda found: found.timing.unit_ms,
    ),
    "engine_mib": Quantity(
        meaning="MiB of the engine's files",
        sense="at most",
        span=_POSITIVE,
        example=8.0,
        digits=2,
        source="size",
        read=lambda found: _exact(found.engine.bytes / 2**20),
    ),
    "energy_mj": Quantity(
        meaning="millijoules of one run, where the device tells them",
        sense="at most",
        span=_POSITIVE,
        example=150.0,
        digits=1,
        source="energy",
        read=lambda found: _exact(found.timing.energy_mj),
    ),
}
OF_CLASS = "ap[CLASS]"


def quantity_of(name: str) -> Quantity | None:
    """The quantity of a name: one of the table, or the AP of the class in `ap[person]`; None if it is neither."""
    found = re.fullmatch(r"ap\[(.+)\]", name)
    if found is None:
        return QUANTITIES.get(name)
    return Quantity(
        meaning=f"AP50-95 of the class {found[1]}",
        sense="at least",
        span=_PART,
        example=0.4,
        digits=4,
        source="accuracy",
        read=lambda measurement: _exact(_of_class(measurement, found[1])),
    )


def _of_class(measurement: Measurement, name: str) -> float:
    classes = measurement.accuracy.per_class
    if name not in classes:
        raise QParetoError(f"There are no true boxes of a class '{name}', only of {', '.join(classes)}.")
    return classes[name]
