"""The choice of a winner, explained in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import StudyError
from ...objectives.measurement import Measurement
from ..front import fastest_within, knee, most_accurate_within
from ..results import Point, Results

ROUNDING = 1e-9  # of a difference of two mAPs: the reference itself loses 0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user asked for: exactly one of these.

    Args:
        trial: a trial's number, on the front or not.
        max_map_drop: mAP50-95 that may be lost against the reference, 0..1.
        max_latency_ms: latency that may be taken.
        knee: the best bargain of the front.
        reference: the engine without INT8.
    """

    trial: int | None = None
    max_map_drop: float | None = None
    max_latency_ms: float | None = None
    knee: bool = False
    reference: bool = False

    def __post_init__(self) -> None:
        limits = [self.trial, self.max_map_drop, self.max_latency_ms]
        if sum([limit is not None for limit in limits] + [self.knee, self.reference]) != 1:
            raise StudyError(
                "Say which engine, once: --trial N, --max-map-drop D, --max-latency-ms L, --knee or --reference."
            )


def chosen(results: Results, choice: Choice) -> tuple[Point, str]:
    """The winner, and why it is the one.

    Raises:
        StudyError: the study has no complete trial, no such trial, or no point that satisfies the choice.
    """
    if choice.trial is not None:
        return _of_number(results, choice.trial), f"Trial {choice.trial}, as asked."
    if choice.reference:
        return _reference(results), "The reference, as asked: no layer in INT8."
    front = results.front
    if not front:
        raise StudyError("The study has no complete trial yet, so there is nothing to choose from.")
    maps = [point.measurement.map50_95 for point in front]
    latencies = [point.measurement.latency_ms for point in front]
    if choice.max_latency_ms is not None:
        winner = front[most_accurate_within(maps, latencies, max_latency_ms=choice.max_latency_ms)]
        why = f"the most accurate within {choice.max_latency_ms:g} ms"
    elif choice.max_map_drop is not None:
        reference = front[0].measurement.reference_map50_95
        winner = front[fastest_within(maps, latencies, min_map=reference - choice.max_map_drop - ROUNDING)]
        why = f"the fastest that loses at most {choice.max_map_drop:g} of the reference's mAP50-95 {reference:.4f}"
    else:
        winner, why = front[knee(results.losses(front))], "the knee of the front"
    return winner, f"Trial {winner.trial}: {why}; {figures(winner.measurement)}."


def figures(measurement: Measurement) -> str:
    """`mAP50-95 0.4044 (-0.0103), 18.321 ms (0.582 of the reference)`."""
    return (
        f"mAP50-95 {measurement.map50_95:.4f} ({measurement.map50_95_change:+.4f}), "
        f"{measurement.latency_ms:.3f} ms ({measurement.latency_ratio:.3f} of the reference)"
    )


def _reference(results: Results) -> Point:
    found = [point for point in results.points if not point.measurement.int8_layers]
    if not found:
        raise StudyError("The study has not measured the reference: run it with search.baselines=true.")
    return found[0]


def _of_number(results: Results, number: int) -> Point:
    for point in (*results.points, *results.outside):
        if point.trial == number:
            return point
    for record in results.records:
        if record.number == number and record.reused_from is not None:
            raise StudyError(f"Trial {number} is the same engine as trial {record.reused_from}: name that one.")
    raise StudyError(f"The study has no complete trial {number}: `qpareto front` lists those of the front.")
