"""The choice of a winner among all that was measured, by the figures that count, explained in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import StudyError
from ...objectives.accuracy.metrics import MAP
from ...objectives.measurement import Measurement
from ..front import knee
from ..results.points import Point
from ..results.requirements import Requirement
from ..results.study_results import Results

NAMED = 3  # points, where none satisfies the wish


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user asked for: exactly one of these.

    Args:
        trial: a trial's number, on the front or not.
        max_map_drop: accuracy that may be lost against the reference, or against `below`, 0..1.
        max_latency_ms: latency that may be taken.
        knee: the best bargain of the front.
        reference: the engine without INT8.
        below: name of the baseline that `max_map_drop` counts from; the reference if None.
        by_answer: whether the study's answer names the trial or the reference, and not the user.
    """

    trial: int | None = None
    max_map_drop: float | None = None
    max_latency_ms: float | None = None
    knee: bool = False
    reference: bool = False
    below: str | None = None
    by_answer: bool = False

    def __post_init__(self) -> None:
        limits = [self.trial, self.max_map_drop, self.max_latency_ms]
        if sum([limit is not None for limit in limits] + [self.knee, self.reference]) != 1:
            raise StudyError(
                "Say which engine, once: --trial N, --max-map-drop D, --max-latency-ms L, --knee or --reference."
            )
        if self.below is not None and self.max_map_drop is None:
            raise StudyError("--below names the baseline that --max-map-drop counts from: add that, or leave it out.")

    @property
    def named_by(self) -> str:
        """Who names the engine, as it follows its name."""
        return "the study's answer" if self.by_answer else "as asked"

    def refusal(self, point: Point, results: Results) -> str | None:
        """Why an engine is beyond doubt not what was asked for; None if it may be.

        A limit that its 95 % interval reaches is kept: on the limit itself half of all measurements are beyond it.
        """
        limit = self.limit(point.decisive, results)
        if limit is None or (found := limit.of(point.decisive)).is_possible:
            return None
        assert found.figure is not None  # every engine has a latency and a mAP
        value, low, high = found.figure
        if self.max_latency_ms is not None:
            return f"it takes {value:.3f} ms (at least {low:.3f}), not {self.max_latency_ms:g}"
        return (
            f"its {point.decisive.accuracy.label} is {value:.4f} (at most {high:.4f}), not {limit.limit:.4f}, which is "
            f"{self.max_map_drop:g} below {self.base(results)[0]}"
        )

    def limit(self, found: Measurement, results: Results) -> Requirement | None:
        """What is required of an engine with these figures; None where nothing is limited.

        A loss is counted on the images of these figures: the reference scores otherwise on others.

        Raises:
            StudyError: the study measured no baseline of the name `below`.
        """
        if self.max_latency_ms is not None:
            return Requirement("latency_ms", self.max_latency_ms)
        if self.max_map_drop is None:
            return None
        _, change = self.base(results)
        return Requirement(
            found.accuracy.metric.name, max(0.0, found.accuracy.reference_value + change - self.max_map_drop)
        )

    def base(self, results: Results) -> tuple[str, float]:
        """What `max_map_drop` counts from, and its own change of accuracy against the reference."""
        if self.below is None:
            return "the reference", 0.0
        found = {point.baseline: point.decisive.accuracy.change.value for point in results.baselines}
        if self.below not in found:
            known = ", ".join(str(name) for name in found) or "none"
            raise StudyError(f"The study has no baseline '{self.below}' for --below: it measured {known}.")
        return self.below, found[self.below]


def chosen(results: Results, choice: Choice, *, holder: int | None = None) -> tuple[Point, str]:
    """The winner, and why it is the one.

    Where INT8 does not pay the winner is an engine without it, if one is what was asked for. Nobody wins whom another
    point beats beyond doubt, but by name.

    Args:
        holder: the trial that won before it was measured anew. It stays the winner unless its new figures are beyond
            doubt not what was asked for, or another point beats it beyond doubt: else whoever is luckiest would win.

    Raises:
        StudyError: the study has no complete trial, no such trial, or no point that satisfies the choice.
    """
    if choice.trial is not None:
        return _named(_of_number(results, choice.trial), choice.named_by, results)
    if choice.reference:
        return _named(_reference(results), f"the reference, {choice.named_by}: no layer in INT8", results)
    if not results.points:
        raise StudyError("The study has no complete trial yet, so there is nothing to choose from.")
    standing = next((p for p in results.points if p.trial == holder and p.refuted is None), None)
    if standing is not None and choice.refusal(standing, results) is None and not results.beaten_by(standing):
        winner = standing
    else:
        winner = _winner(results, choice)
    told = [f"Trial {winner.title}: {_why(choice, results)}; {winner.figures}."]
    return winner, " ".join([*told, *([] if winner.measurement.engine.int8_layers else results.verdict())])


def settled(
    results: Results, wish: Callable[[Results], Choice], measure: Callable[[Point], Point]
) -> tuple[Results, Point, str]:
    """The winner once it has been measured anew, why it is the one, and the results that say so.

    A winner that its new figures refute gives way to the next one, which is measured in its turn.

    Args:
        wish: what is asked for, by what has been measured so far.
        measure: the same point with new `fresh` figures, and confirmed where it was not and can be.
    """
    anew: list[int] = []
    while True:
        winner, why = chosen(results, wish(results), holder=anew[-1] if anew else None)
        if winner.trial in anew:
            return results, winner, why
        anew.append(winner.trial)
        results = results.with_point(measure(winner))


def _winner(results: Results, choice: Choice) -> Point:
    """The best point of the front for this choice, of those without INT8 where INT8 does not pay.

    Whoever is beaten beyond doubt gives way to the best of all that was measured, whether held to account or not.
    """
    if not any(_meets(point, choice, results) for point in results.front):
        raise StudyError(_nothing_kept(results.front, choice))
    floats = [point for point in results.points if not point.measurement.engine.int8_layers]
    pools = [results.front_among(floats)] if results.without_int8 is not None else []
    best = []
    for pool in (*pools, results.front, results.front_among(results.points)):
        if kept := [point for point in pool if _meets(point, choice, results)]:
            best.append(_best(kept, choice, results))
            if not results.beaten_by(best[-1]):
                return best[-1]
    return best[-1]


def _meets(point: Point, choice: Choice, results: Results) -> bool:
    limit = choice.limit(point.decisive, results)
    return limit is None or limit.of(point.decisive).is_met


def _best(kept: Sequence[Point], choice: Choice, results: Results) -> Point:
    """The one of those that keep the limit that the choice is for."""
    if choice.knee:
        return kept[knee(results.losses(kept))]
    if choice.max_latency_ms is not None:
        return max(kept, key=lambda point: (point.comparable_accuracy, -point.decisive.timing.ms))
    return min(kept, key=lambda point: (point.decisive.timing.ms, -point.comparable_accuracy))


def _why(choice: Choice, results: Results) -> str:
    if choice.knee:
        return "the knee of the front"
    if choice.max_latency_ms is not None:
        return f"the most accurate within {choice.max_latency_ms:g} ms"
    lost = f"{choice.max_map_drop:g} {results.metric.label}"
    return f"the fastest that loses at most {lost} against {choice.base(results)[0]}"


def _nothing_kept(front: Sequence[Point], choice: Choice) -> str:
    """That no point keeps the limit, and which are the nearest."""
    if choice.max_latency_ms is not None:
        wish, nearest = f"runs within {choice.max_latency_ms:g} ms", list(front)
    else:
        label = front[0].decisive.accuracy.label if front else MAP.label
        wish = f"loses at most {choice.max_map_drop:g} {label} against {choice.below or 'the reference'}"
        nearest = sorted(front, key=lambda point: -point.comparable_accuracy)
    named = "; ".join(f"trial {point.title}: {point.figures}" for point in nearest[:NAMED])
    return f"No point of the front {wish}; the nearest are {named}."


def _named(point: Point, why: str, results: Results) -> tuple[Point, str]:
    """A point that was asked for by name, and who beats it."""
    beaten = [f"trial {other.title}" for other in results.beaten_by(point)][:NAMED]
    warning = [f"Beyond doubt faster or more accurate, and no worse otherwise: {', '.join(beaten)}."] if beaten else []
    return point, " ".join([f"Trial {point.title}, {why}; {point.figures}.", *warning, *results.verdict()])


def _reference(results: Results) -> Point:
    if results.reference is None:
        raise StudyError("The study has not measured the reference: run it with search.baselines=true.")
    return results.reference


def _of_number(results: Results, number: int) -> Point:
    for point in results.points:
        if point.trial == number:
            return point
    for record in results.records:
        if record.number == number and record.reused_from is not None:
            raise StudyError(f"Trial {number} is the same engine as trial {record.reused_from}: name that one.")
    raise StudyError(f"The study has no complete trial {number}: `qpareto front` lists those of the front.")
