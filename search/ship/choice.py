"""The choice of a winner, explained in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import StudyError
from ...objectives.measurement import Measurement
from ..front import knee
from ..requirements import Requirement
from ..results import Point, Results

NAMED = 3  # points, where none satisfies the wish


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
        limit = self.limit(results)
        if limit is None or (found := limit.of(measurement)).is_possible:
            return None
        assert found.figure is not None  # every engine has a latency and a mAP
        _, low, high = found.figure
        if self.max_latency_ms is not None:
            return f"it takes {measurement.latency_ms:.3f} ms (at least {low:.3f}), not {self.max_latency_ms:g}"
        return (
            f"its mAP50-95 is {measurement.map50_95:.4f} (at most {high:.4f}), not {limit.limit:.4f}, which is "
            f"{self.max_map_drop:g} below {self.base(results)[0]}"
        )

    def limit(self, results: Results) -> Requirement | None:
        """What is required of the engine; None where nothing is limited.

        Raises:
            StudyError: the study measured no baseline of the name `below`.
        """
        if self.max_latency_ms is not None:
            return Requirement("latency_ms", self.max_latency_ms)
        if self.max_map_drop is None:
            return None
        _, base = self.base(results)
        return Requirement("map50_95", max(0.0, base - self.max_map_drop))

    def base(self, results: Results) -> tuple[str, float]:
        """What `max_map_drop` counts from, and its mAP50-95."""
        if self.below is None:
            return "the reference", results.front[0].measurement.reference_map50_95
        found = {point.baseline: point.measurement.map50_95 for point in results.baselines}
        if self.below not in found:
            known = ", ".join(str(name) for name in found) or "none"
            raise StudyError(f"The study has no baseline '{self.below}' for --below: it measured {known}.")
        return self.below, found[self.below]


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
    limit = choice.limit(results)
    if limit is None:
        winner, why = front[knee(results.losses(front))], "the knee of the front"
    elif choice.max_latency_ms is not None:
        kept = _kept(front, limit, f"runs within {choice.max_latency_ms:g} ms")
        winner = max(kept, key=lambda point: (point.measurement.map50_95, -point.measurement.latency_ms))
        why = f"the most accurate within {choice.max_latency_ms:g} ms"
    else:
        nearest = sorted(front, key=lambda point: -point.measurement.map50_95)
        kept = _kept(nearest, limit, f"reaches mAP50-95 {limit.limit:.4f}")
        winner = min(kept, key=lambda point: (point.measurement.latency_ms, -point.measurement.map50_95))
        name, base = choice.base(results)
        why = f"the fastest that loses at most {choice.max_map_drop:g} of {name}'s mAP50-95 {base:.4f}"
    return winner, f"Trial {winner.trial}: {why}; {figures(winner.measurement)}."


def _kept(nearest: Sequence[Point], limit: Requirement, wish: str) -> list[Point]:
    """The points that keep a limit.

    Args:
        nearest: the nearest to it first.

    Raises:
        StudyError: none does; the nearest are named.
    """
    if kept := [point for point in nearest if limit.of(point.measurement).is_met]:
        return kept
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
