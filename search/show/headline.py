"""The answer in two sentences: what to ship, how much faster it is at what loss, and how sure that is."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..compliance import Answer, Compliance
from ..compliance import answer as answer_to
from ..doubts import DOUBTS
from ..figures import SEARCHED
from ..points import Point
from ..record import FINISHED
from ..requirements import Requirement, Requirements
from ..wording import change, faster, interval, percent, speedup
from .answer import SMALL_LOSS, answer
from .view import StudyView


@dataclass(frozen=True, kw_only=True)
class Headline:
    """What a study says first.

    Args:
        best: the point to ship; None where nothing is measured yet, or nothing is worth more than the float engine.
        sentences: at most two.
    """

    best: Point | None
    sentences: tuple[str, ...]


def headline(view: StudyView) -> Headline:
    """The engine to ship: that of `front --require map_drop=0.01 --require latency_ratio=1`, or the float engine.

    One that was exported stays the answer as long as it keeps that and nothing beats it beyond doubt: its figures anew
    may put it a hair behind a point that ties with it.
    """
    if not view.feasible_front:
        return Headline(best=None, sentences=tuple(answer(view)[:1]))
    reference, drop = view.results.reference, _drop(view)
    without = view.infeasible | ({reference.trial} if reference else set())
    if {point.trial for point in view.results.points} <= without:
        return Headline(best=None, sentences=("Only the float engine is measured yet, so there is no answer.",))
    asked = Requirements((Requirement("map_drop", drop), Requirement("latency_ratio", 1.0)))
    found = answer_to(view.results, asked, infeasible=without)
    if view.results.without_int8 is not None:
        return Headline(best=_float_type(view), sentences=tuple(view.results.verdict()))
    if found.best is None:
        return Headline(best=None, sentences=tuple(_nothing_gained(found, drop)))
    best = _exported(view, asked, without) or found.best
    return Headline(best=best.point, sentences=(_gain(best), _how_sure(best, drop)))


def next_commands(view: StudyView, head: Headline, study: Sequence[str], *, trials: int) -> list[str]:
    """At most three commands to type next, as far as the study has come.

    Args:
        study: how commands name the study: its file, and options such as `--set`.
        trials: finished trials that it is to have.
    """
    named, results = shlex.join(study), view.results
    found = []
    if sum(record.state in FINISHED for record in results.records) < trials:
        found.append(f"qpareto run {named}")
    elif any(point.confirmed is None for point in results.front):
        found.append(f"qpareto confirm {named}")
    if not results.front:
        return found
    found.append(f"qpareto report {named} -o report.html")
    if head.best is not None:
        found.append(f"qpareto export {named} -o best --trial {head.best.trial}")
    elif results.reference is not None:
        found.append(f"qpareto export {named} -o best --reference")
    return [*found, "qpareto verify best"][:3]


def _exported(view: StudyView, asked: Requirements, without: Collection[int]) -> Compliance | None:
    """The best of the engines that were exported, if there is one that still is an answer."""
    results = view.results
    kept = {p.trial for p in results.points if p.fresh and p.trial not in without and not results.beaten_by(p)}
    others = {point.trial for point in results.points} - kept
    return answer_to(results, asked, infeasible=others).best if kept else None


def _drop(view: StudyView) -> float:
    """The loss that is allowed: one point, or half of what a model has that has no more than that."""
    whole = view.feasible_front[0].measurement.reference_map50_95
    return min(SMALL_LOSS, whole / 2) if whole > 0 else SMALL_LOSS


def _float_type(view: StudyView) -> Point | None:
    """What to ship where INT8 does not pay; None for the reference."""
    found = view.results.without_int8
    return None if found == view.results.reference else found


def _gain(best: Compliance) -> str:
    found = best.decisive
    low, high = found.latency_ratio_ci
    kind = "" if found.int8_layers else ", without INT8"
    return (
        f"Ship trial {best.point.title}{kind}: {faster(found.latency_ratio)} than the float engine "
        f"(95 % {interval((high, low), speedup)}), at {change(found.map50_95_change)} mAP50-95 "
        f"(95 % {interval(found.map50_95_change_ci, change)})."
    )


def _how_sure(best: Compliance, drop: float) -> str:
    flags = best.decisive.flags
    doubt = f"; its timing is doubtful: {'; '.join(DOUBTS.get(flag, flag) for flag in flags)}" if flags else ""
    return (
        f"How sure: {percent(best.probability)} that it is faster and loses at most {drop:.4g}, "
        f"{_where_from(best.point)}{doubt}."
    )


def _where_from(point: Point) -> str:
    found = point.figures
    if found.accuracy_from != found.latency_from:
        return f"its accuracy {found.accuracy_from}, its latency {found.latency_from}"
    if found.accuracy_from != SEARCHED:
        return found.accuracy_from
    images = f"measured on {found.measurement.images} images"
    if point.baseline is not None:
        return f"{images}; no search picked this baseline for its figures"
    return f"{images} by a search, which picks lucky figures: run `qpareto confirm`"


def _nothing_gained(found: Answer, drop: float) -> list[str]:
    """That the float engine is to be shipped, and what comes nearest to more."""
    told = [f"Ship the float engine: no other is faster at a loss of at most {drop:.4g} mAP50-95."]
    near = [each for each in found.nearest if each.refuted is None]
    if not near:
        return told
    best = near[0].decisive
    return [
        *told,
        f"The nearest is trial {near[0].point.title}: {faster(best.latency_ratio)}, at {change(best.map50_95_change)} "
        f"mAP50-95 (95 % {interval(best.map50_95_change_ci, change)}).",
    ]
