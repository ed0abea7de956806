"""How points stand to one another, by the figures that count: who beats whom beyond doubt, who ties, does INT8 pay."""

from __future__ import annotations

from collections.abc import Sequence

from ...objectives.measurement import Measurement
from ...objectives.objective import OBJECTIVES, directions_of
from ..front import Points, losses
from .figures import is_as_accurate
from .points import Point


def losses_of(points: Sequence[Point], objectives: Sequence[str]) -> Points:
    """(n_points, n_objectives), smaller is better: mAP on the scale of the search's images, whatever the others."""
    return losses([point.values(objectives) for point in points], directions_of(objectives))


def surely_beats(one: Point, other: Point, objectives: Sequence[str]) -> bool:
    """Whether one is nowhere worse by the figures, and on an objective better beyond both 95 % intervals.

    Sizes and energies have no interval: there any difference is one.
    """
    mine, theirs = losses_of([one, other], objectives)
    if (mine > theirs).any():
        return False
    better = zip(objectives, mine < theirs, strict=True)
    return any(is_better and OBJECTIVES[name].better(one.decisive, other.decisive) for name, is_better in better)


def tie(one: Measurement, other: Measurement, objectives: Sequence[str]) -> bool:
    """Whether the intervals overlap, on every objective that has them."""
    return all(OBJECTIVES[name].ties(one, other) for name in objectives)


def without_int8(points: Sequence[Point], reference: Point | None, objectives: Sequence[str]) -> Point | None:
    """The engine without INT8 to ship where INT8 does not pay; None where it pays, or nothing tells.

    It is the fastest float type that is as accurate as the reference, or the reference itself. INT8 pays if an engine
    with INT8 layers is faster than that one beyond its interval, or beats it beyond doubt.
    """
    mixed = [point for point in points if point.measurement.engine.int8_layers]
    if not mixed:
        return None
    others = [point for point in points if not point.measurement.engine.int8_layers]
    floats = [point for point in others if point == reference or is_as_accurate(point.decisive)]
    best = min(floats, key=lambda point: point.decisive.timing.ratio.value, default=None)
    # the reference's is 1 by definition
    fastest = 1.0 if best is None or best == reference else best.decisive.timing.ratio.value
    if any(point.decisive.timing.ratio.high < fastest for point in mixed):
        return None
    if best is None or any(surely_beats(point, best, objectives) for point in mixed):
        return None
    return best
