"""The answer in words: what is gained at which loss over the float engine and over each recipe, or that nothing is."""

from __future__ import annotations

from collections.abc import Sequence

from ...objectives.measurement import Measurement
from ..figures import NO_LOSS, is_as_accurate
from ..points import Point
from ..results import Results
from ..wording import change, interval, ratio, with_interval
from .view import StudyView

SMALL_LOSS = 0.01  # of mAP50-95, absolute: 'one point', what a product usually may lose


def answer(view: StudyView) -> list[str]:
    """Sentences for somebody who reads nothing else, the most important first."""
    results, front = view.results, view.feasible_front
    if not front:
        return ["No candidate has been measured in full yet, so there is no answer."]
    told = results.verdict()
    if not told:
        told = [*_over_the_reference(front, results), *[_over_a_recipe(point, front) for point in _recipes(view)]]
    return [*told, *[remark for remark in results.remarks() if remark not in told]]


def _over_the_reference(front: Sequence[Point], results: Results) -> list[str]:
    """The fastest that is as accurate as the reference, the fastest within a small loss, the fastest; each once."""
    faster = [point for point in front if point.decisive.latency_ratio_ci[1] < 1]
    is_held_out = any(point.figures.held_out for point in results.points)
    free = [p for p in faster if is_as_accurate(p.decisive) and (p.figures.held_out or not is_held_out)]
    cheap = [p for p in faster if p.decisive.map50_95_change >= -SMALL_LOSS]
    chosen = {
        f"As accurate as the float engine within {NO_LOSS:g} mAP50-95": free[:1],
        f"For at most {SMALL_LOSS:g} mAP50-95": cheap[:1],
        "At the fast end": faster[:1],
    }
    sentences: dict[int, str] = {}
    for what, points in chosen.items():
        for point in points:
            sentences.setdefault(point.trial, f"{what}, trial {point.title} {_gain(point, results)}.")
    told = list(sentences.values())
    if faster and not free:
        images = "images that the search never saw" if is_held_out else "these images"
        told.append(f"No faster engine is as accurate as the float engine within {NO_LOSS:g} mAP50-95 on {images}.")
    return told


def _gain(point: Point, results: Results) -> str:
    """Its gain and its loss, with intervals, where they are from and how much of them may be luck."""
    found = point.decisive
    luck = results.luck(point)
    lucky = f", whose pick may flatter it by up to {luck:.4f}" if luck >= 5e-5 else ""  # of four digits
    return (
        f"takes {with_interval(found.latency_ratio, found.latency_ratio_ci, ratio, level='95 % ')} of the float "
        f"engine's time, {1 / found.latency_ratio:.2f} times as fast, and changes mAP50-95 by "
        f"{change(found.map50_95_change)} (95 % {interval(found.map50_95_change_ci, change)}; "
        f"{point.figures.accuracy_from}{lucky})"
    )


def _recipes(view: StudyView) -> list[Point]:
    """One point for each engine that a recipe made, but the reference."""
    found: dict[tuple[str, str], Point] = {}
    for point in view.results.baselines:
        if point.measurement.int8_layers or point.measurement.float_type != view.results.float_type:
            found.setdefault((point.measurement.graph_hash, point.measurement.float_type), point)
    return list(found.values())


def _over_a_recipe(recipe: Point, front: Sequence[Point]) -> str:
    """What the front has at no more than the recipe's latency, and at no less than its mAP."""
    own = recipe.decisive
    others = [p for p in front if p.trial != recipe.trial]
    as_fast = [p for p in others if p.decisive.latency_ms <= own.latency_ms]
    as_good = [p for p in others if p.comparable_map50_95 >= recipe.comparable_map50_95]
    told = []
    if as_fast:
        best = max(as_fast, key=lambda p: p.comparable_map50_95)
        told.append(_in_map(best, own))
    if as_good:
        best = min(as_good, key=lambda p: p.decisive.latency_ms)
        told.append(_in_time(best, own))
    name = f"Over {recipe.baseline}"
    if not told:
        return f"{name}: nothing is gained, no other point of the front is as fast or as accurate."
    return f"{name}: {'; '.join(told)}."


def _in_map(best: Point, own: Measurement) -> str:
    """Such as `at its latency trial 17 has +0.0069 mAP50-95`, or that this is no more than the spread."""
    found = best.decisive
    apart = found.map50_95_change - own.map50_95_change
    overlap = found.map50_95_change_ci[0] <= own.map50_95_change_ci[1] and apart > 0
    tie = ", though their intervals overlap" if overlap else ""
    return f"at no more than its latency trial {best.title} has {change(apart)} mAP50-95{tie}"


def _in_time(best: Point, own: Measurement) -> str:
    found = best.decisive
    part = found.latency_ratio / own.latency_ratio
    overlap = found.latency_ratio_ci[1] >= own.latency_ratio_ci[0] and part < 1
    tie = ", though their intervals overlap" if overlap else ""
    return f"at no less than its mAP50-95 trial {best.title} takes {ratio(part)} of its time{tie}"
