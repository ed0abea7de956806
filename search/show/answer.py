"""The answer in words: what is gained at which loss over the float engine and over each recipe, or that nothing is."""

from __future__ import annotations

from collections.abc import Sequence

from ...objectives.measurement import Measurement
from ..results import Point
from .view import StudyView

SMALL_LOSS = 0.01  # of mAP50-95, absolute: 'one point', what a product usually may lose


def answer(view: StudyView) -> list[str]:
    """Sentences for somebody who reads nothing else, the most important first."""
    results, front = view.results, view.feasible_front
    if not front:
        return ["No candidate has been measured in full yet, so there is no answer."]
    told = results.verdict()
    if not told:
        told = [*_over_the_reference(front), *[_over_a_recipe(point, front) for point in _recipes(view)]]
    return [*told, *[remark for remark in results.remarks() if remark not in told]]


def _over_the_reference(front: Sequence[Point]) -> list[str]:
    """The fastest without a measurable loss, the fastest within a small one, the fastest of all; each once."""
    faster = [point for point in front if point.measurement.latency_ratio_ci[1] < 1]
    free = [p for p in faster if p.measurement.map50_95_change_ci[1] >= 0]
    cheap = [p for p in faster if p.measurement.map50_95_change >= -SMALL_LOSS]
    chosen = {
        "Without a loss that these images could show": free[:1],
        f"For at most {SMALL_LOSS:g} mAP50-95": cheap[:1],
        "At the fast end": faster[:1],
    }
    sentences: dict[int, str] = {}
    for what, points in chosen.items():
        for point in points:
            sentences.setdefault(point.trial, f"{what}, trial {point.trial} {_gain(point.measurement)}.")
    return list(sentences.values())


def _gain(found: Measurement) -> str:
    low, high = found.latency_ratio_ci
    change_low, change_high = found.map50_95_change_ci
    return (
        f"takes {found.latency_ratio:.3f} (95 % {low:.3f} to {high:.3f}) of the float engine's time, "
        f"{1 / found.latency_ratio:.2f} times as fast, and changes mAP50-95 by {found.map50_95_change:+.4f} "
        f"(95 % {change_low:+.4f} to {change_high:+.4f})"
    )


def _recipes(view: StudyView) -> list[Point]:
    """One point for each engine that a recipe made, but the reference."""
    found: dict[tuple[str, str], Point] = {}
    for point in view.results.baselines:
        if point.measurement.int8_layers or point in view.results.outside:
            found.setdefault((point.measurement.graph_hash, point.measurement.float_type), point)
    return list(found.values())


def _over_a_recipe(recipe: Point, front: Sequence[Point]) -> str:
    """What the front has at no more than the recipe's latency, and at no less than its mAP."""
    own = recipe.measurement
    as_fast = [p for p in front if p.measurement.latency_ms <= own.latency_ms and p.trial != recipe.trial]
    as_good = [p for p in front if p.measurement.map50_95 >= own.map50_95 and p.trial != recipe.trial]
    told = []
    if as_fast:
        best = max(as_fast, key=lambda p: p.measurement.map50_95)
        told.append(_in_map(best, own))
    if as_good:
        best = min(as_good, key=lambda p: p.measurement.latency_ms)
        told.append(_in_time(best, own))
    name = f"Over {recipe.baseline}"
    if not told:
        return f"{name}: nothing is gained, no point of the front is as fast or as accurate."
    return f"{name}: {'; '.join(told)}."


def _in_map(best: Point, own: Measurement) -> str:
    """Such as `at its latency trial 17 has +0.0069 mAP50-95`, or that this is no more than the spread."""
    found = best.measurement
    apart = found.map50_95_change - own.map50_95_change
    overlap = found.map50_95_change_ci[0] <= own.map50_95_change_ci[1] and apart > 0
    tie = ", though their intervals overlap" if overlap else ""
    return f"at no more than its latency trial {best.trial} has {apart:+.4f} mAP50-95{tie}"


def _in_time(best: Point, own: Measurement) -> str:
    found = best.measurement
    ratio = found.latency_ratio / own.latency_ratio
    overlap = found.latency_ratio_ci[1] >= own.latency_ratio_ci[0] and ratio < 1
    tie = ", though their intervals overlap" if overlap else ""
    return f"at no less than its mAP50-95 trial {best.trial} takes {ratio:.3f} of its time{tie}"
