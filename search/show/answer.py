"""The answer in full: the headline, then what is gained over the float engine and over each recipe, and remarks."""

from __future__ import annotations

from collections.abc import Sequence

from ...objectives.measurement import Measurement
from ..results.figures import NO_LOSS, is_as_accurate
from ..results.points import Point
from ..results.study_results import Results
from ..wording import change, interval, ratio, with_interval
from .headline import NOTHING_YET, SMALL_LOSS, headline
from .view import StudyView


def answer(view: StudyView) -> list[str]:
    """Paragraphs for somebody who reads nothing else: the headline, then what else is worth to be known."""
    head = headline(view)
    told = [" ".join(head.sentences), *([head.ahead] if head.ahead else [])]
    return [*told, *(line for line in comparisons(view) if line not in head.sentences)]


def comparisons(view: StudyView) -> list[str]:
    """What is gained over the float engine and over each recipe, a sentence each, then remarks."""
    results, front = view.results, view.feasible_front
    if not front:
        return [NOTHING_YET]
    told = results.verdict()
    if not told:
        told = [*_over_the_reference(front, results), *[_over_a_recipe(point, front) for point in _recipes(view)]]
    return [*told, *[remark for remark in results.remarks() if remark not in told]]


def _over_the_reference(front: Sequence[Point], results: Results) -> list[str]:
    """The fastest that is as accurate as the reference, the fastest within a small loss, the fastest; each once."""
    faster = [point for point in front if point.decisive.timing.ratio.high < 1]
    is_held_out = any(point.figures.held_out for point in results.points)
    free = [p for p in faster if is_as_accurate(p.decisive) and (p.figures.held_out or not is_held_out)]
    cheap = [p for p in faster if p.decisive.accuracy.change.value >= -SMALL_LOSS]
    label = results.metric.label
    chosen = {
        f"As accurate as the float engine within {NO_LOSS:g} {label}": free[:1],
        f"For at most {SMALL_LOSS:g} {label}": cheap[:1],
        "At the fast end": faster[:1],
    }
    sentences: dict[int, str] = {}
    for what, points in chosen.items():
        for point in points:
            sentences.setdefault(point.trial, f"{what}, trial {point.title} {_gain(point, results)}.")
    told = list(sentences.values())
    if faster and not free:
        images = "images that the search never saw" if is_held_out else "these images"
        told.append(f"No faster engine is as accurate as the float engine within {NO_LOSS:g} {label} on {images}.")
    return told


def _gain(point: Point, results: Results) -> str:
    """Its gain and its loss, with intervals, where they are from and how much of them may be luck."""
    part, changed = point.decisive.timing.ratio, point.decisive.accuracy.change
    luck = results.luck(point)
    lucky = f", whose pick may flatter it by up to {luck:.4f}" if luck >= 5e-5 else ""  # of four digits
    return (
        f"takes {with_interval(part, ratio, level='95 % ')} of the float engine's time, {1 / part.value:.2f} times as "
        f"fast, and changes {results.metric.label} by {change(changed.value)} (95 % {interval(changed, change)}; "
        f"{point.figures.accuracy_from}{lucky})"
    )


def _recipes(view: StudyView) -> list[Point]:
    """One point for each engine that a recipe made, but the reference."""
    found: dict[tuple[str, str], Point] = {}
    for point in view.results.baselines:
        engine = point.measurement.engine
        if engine.int8_layers or engine.float_type != view.results.float_type:
            found.setdefault(engine.identity, point)
    return list(found.values())


def _over_a_recipe(recipe: Point, front: Sequence[Point]) -> str:
    """What the front has at no more than the recipe's latency, and at no less than its mAP."""
    own = recipe.decisive
    others = [p for p in front if p.trial != recipe.trial]
    as_fast = [p for p in others if p.decisive.timing.ms <= own.timing.ms]
    as_good = [p for p in others if p.comparable_accuracy >= recipe.comparable_accuracy]
    told = []
    if as_fast:
        best = max(as_fast, key=lambda p: p.comparable_accuracy)
        told.append(_in_map(best, own))
    if as_good:
        best = min(as_good, key=lambda p: p.decisive.timing.ms)
        told.append(_in_time(best, own))
    name = f"Over {recipe.baseline}"
    if not told:
        return f"{name}: nothing is gained, no other point of the front is as fast or as accurate."
    return f"{name}: {'; '.join(told)}."


def _in_map(best: Point, own: Measurement) -> str:
    """Such as `at its latency trial 17 has +0.0069 mAP50-95`, or that this is no more than the spread."""
    found, against = best.decisive.accuracy.change, own.accuracy.change
    apart = found.value - against.value
    overlap = found.low <= against.high and apart > 0
    tie = ", though their intervals overlap" if overlap else ""
    return f"at no more than its latency trial {best.title} has {change(apart)} {own.accuracy.label}{tie}"


def _in_time(best: Point, own: Measurement) -> str:
    found, against = best.decisive.timing.ratio, own.timing.ratio
    part = found.value / against.value
    overlap = found.high >= against.low and part < 1
    tie = ", though their intervals overlap" if overlap else ""
    return f"at no less than its {own.accuracy.label} trial {best.title} takes {ratio(part)} of its time{tie}"
