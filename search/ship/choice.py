"""The choice of a winner, explained in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import StudyError
from ...objectives.measurement import Measurement
from ..front import fastest_within, knee, most_accurate_within
from ..results import Point, Results

NAMED = 3  # points, where none satisfies the wish
ROUNDING = 1e-9  # of a difference of two mAPs: the reference itself loses 0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user asked for: exactly one of these.

    Args:
        trial: a trial's number, on the front or not.
        max_map_drop: mAP50-95 that may be lost against the reference, or against `below`, 0..1.
        max_latency_ms: latency that may be taken.
        knee: the best bargain of the front.
        reference: the engine without INT8.
        below: name of the baseline that `max_map_drop` counts from; the reference if None.
    """

    trial: int | None = None
    max_map_drop: float | None = None
    max_latency_ms: float | None = None
    knee: bool = False
    reference: bool = False
    below: str | None = None

    def __post_init__(self) -> None:
        limits = [self.trial, self.max_map_drop, self.max_latency_ms]
        if sum([limit is not None for limit in limits] + [self.knee, self.reference]) != 1:
            raise StudyError(
                "Say which engine, once: --trial N, --max-map-drop D, --max-latency-ms L, --knee or --reference."
            )
        if self.below is not None and self.max_map_drop is None:
            raise StudyError("--below names the baseline that --max-map-drop counts from: add that, or leave it out.")

    def refusal(self, measurement: Measurement, results: Results) -> str | None:
        """Why an engine, measured once more, is beyond doubt not what was asked for; None if it may be.

        A limit that its 95 % interval reaches is kept: on the limit itself half of all measurements are beyond it.
        """
        if self.max_latency_ms is not None:
            fastest_ms = measurement.latency_ms * measurement.latency_ratio_ci[0] / measurement.latency_ratio
            if fastest_ms > self.max_latency_ms:
                return (
                    f"it takes {measurement.latency_ms:.3f} ms (at least {fastest_ms:.3f}), not {self.max_latency_ms:g}"
                )
        if self.max_map_drop is not None:
            name, least = least_map(results, self)
            most = measurement.map50_95 - measurement.map50_95_change + measurement.map50_95_change_ci[1]
            if most < least - ROUNDING:
                return (
                    f"its mAP50-95 is {measurement.map50_95:.4f} (at most {most:.4f}), not {least:.4f}, which is "
                    f"{self.max_map_drop:g} below {name}"
                )
        return None


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
        _refuse_none(
            front, [ms <= choice.max_latency_ms for ms in latencies], f"runs within {choice.max_latency_ms:g} ms"
        )
        winner = front[most_accurate_within(maps, latencies, max_latency_ms=choice.max_latency_ms)]
        why = f"the most accurate within {choice.max_latency_ms:g} ms"
    elif choice.max_map_drop is not None:
        name, least = least_map(results, choice)
        nearest = sorted(front, key=lambda point: -point.measurement.map50_95)
        _refuse_none(nearest, [value >= least - ROUNDING for value in maps], f"reaches mAP50-95 {least:.4f}")
        winner = front[fastest_within(maps, latencies, min_map=least - ROUNDING)]
        allowed = f"{choice.max_map_drop:g} of {name}'s mAP50-95 {least + choice.max_map_drop:.4f}"
        why = f"the fastest that loses at most {allowed}"
    else:
        winner, why = front[knee(results.losses(front))], "the knee of the front"
    return winner, f"Trial {winner.trial}: {why}; {figures(winner.measurement)}."


def least_map(results: Results, choice: Choice) -> tuple[str, float]:
    """What `max_map_drop` counts from, and the lowest mAP50-95 that it allows.

    Raises:
        StudyError: the study measured no baseline of the name.
    """
    drop = choice.max_map_drop or 0.0
    if choice.below is None:
        return "the reference", results.front[0].measurement.reference_map50_95 - drop
    found = {point.baseline: point.measurement.map50_95 for point in results.baselines}
    if choice.below not in found:
        known = ", ".join(str(name) for name in found) or "none"
        raise StudyError(f"The study has no baseline '{choice.below}' for --below: it measured {known}.")
    return choice.below, found[choice.below] - drop


def _refuse_none(nearest: Sequence[Point], satisfies: Sequence[bool], wish: str) -> None:
    """Name the nearest points, the nearest first, where none satisfies a wish.

    Raises:
        StudyError: none does.
    """
    if any(satisfies):
        return
    named = "; ".join(f"trial {point.trial}: {figures(point.measurement)}" for point in nearest[:NAMED])
    raise StudyError(f"No point of the front {wish}; the nearest are {named}.")


def figures(measurement: Measurement) -> str:
    """`mAP50-95 0.4044 (-0.0103), 18.321 ms (0.582 of the reference)`."""
    return (
        f"mAP50-95 {measurement.map50_95:.4f} ({measurement.map50_95_change:+.4f}), "
        f"{measurement.latency_ms:.3f} ms ({measurement.latency_ratio:.3f} of the reference)"
    )


def _reference(results: Results) -> Point:
    if results.reference is None:
        raise StudyError("The study has not measured the reference: run it with search.baselines=true.")
    return results.reference


def _of_number(results: Results, number: int) -> Point:
    for point in (*results.points, *results.outside):
        if point.trial == number:
            return point
    for record in results.records:
        if record.number == number and record.reused_from is not None:
            raise StudyError(f"Trial {number} is the same engine as trial {record.reused_from}: name that one.")
    raise StudyError(f"The study has no complete trial {number}: `qpareto front` lists those of the front.")
