"""The answer in two sentences: what to ship, how much faster it is at what loss, and how sure that is."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..results.compliance import Answer, Compliance
from ..results.compliance import answer as answer_to
from ..results.doubts import DOUBTS
from ..results.figures import SEARCHED
from ..results.points import Point
from ..results.requirements import Requirement, Requirements
from ..wording import change, faster, interval, percent, speedup
from .view import StudyView

NOTHING_YET = "No candidate has been measured in full yet, so there is no answer."

SMALL_LOSS = 0.01  # of accuracy, absolute: 'one point', what a product usually may lose


@dataclass(frozen=True, kw_only=True)
class Headline:
    """What a study says first.

    Args:
        best: the point to ship; None where nothing is measured yet, or nothing is worth more than the float engine.
        sentences: at most two.
        ahead: which engine is ahead of `best` by the figures, and why it is not the answer; None where none is.
    """

    best: Point | None
    sentences: tuple[str, ...]
    ahead: str | None = None


def headline(view: StudyView) -> Headline:
    """The engine to ship: that of `front --require map_drop=0.01 --require latency_ratio=1`, or the float engine.

    One that was exported stays the answer as long as it keeps that and nothing beats it beyond doubt: its figures anew
    may put it a hair behind a point that ties with it.
    """
    if not view.feasible_front:
        return Headline(best=None, sentences=(NOTHING_YET,))
    reference, drop = view.results.reference, _drop(view)
    without = view.infeasible | ({reference.trial} if reference else set())
    if {point.trial for point in view.results.points} <= without:
        return Headline(best=None, sentences=("Only the float engine is measured yet, so there is no answer.",))
    stem = view.results.metric.stem
    asked = Requirements((Requirement(f"{stem}_drop", drop), Requirement("latency_ratio", 1.0)))
    found = answer_to(view.results, asked, infeasible=without)
    if view.results.without_int8 is not None:
        ship = view.results.without_int8
        return Headline(best=None if ship == reference else ship, sentences=tuple(view.results.verdict()))
    if found.best is None:
        return Headline(best=None, sentences=tuple(_nothing_gained(found, drop, view.results.metric.label)))
    best = _exported(view, asked, without) or found.best
    return Headline(best=best.point, sentences=(_gain_of(best), _how_sure(best, drop)), ahead=_ahead(view, best, asked))


def next_commands(view: StudyView, head: Headline, study: Sequence[str], *, trials: int) -> list[str]:
    """At most three commands to type next, as far as the study has come.

    Args:
        study: how commands name the study: its file, and options such as `--set`.
        trials: finished trials that it is to have.
    """
    named, results = shlex.join(study), view.results
    found = []
    if sum(record.outcome.counts for record in results.records) < trials:
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
    return _best_among(kept, view, asked) if kept else None


def _best_among(trials: Collection[int], view: StudyView, asked: Requirements) -> Compliance | None:
    """The answer if only these trials, at least one, were measured; None if none of them is one."""
    others = {point.trial for point in view.results.points}.difference(trials)
    return answer_to(view.results, asked, infeasible=others).best


def _ahead(view: StudyView, best: Compliance, asked: Requirements) -> str | None:
    """Who surely keeps what is asked for goes before one whose figures are better: that one is named, and why not."""
    ahead = next((p for p in view.feasible_front if view.results.front_among([p, best.point]) == (p,)), None)
    if ahead is None:
        return None
    its = _best_among({ahead.trial}, view, asked)
    if best.point.is_measured_again and not ahead.is_measured_again:
        reason = "but is not confirmed yet"
    elif its is not None and best.probability - its.probability > 0.005:  # more than rounding hides
        reason = f"but only {percent(its.probability)} sure to keep that limit"
    else:
        reason = "but not beyond doubt"
    return f"Trial {ahead.title} is ahead of trial {best.point.title} by these figures, {reason}."


def _drop(view: StudyView) -> float:
    """The loss that is allowed: one point, or half of what a model has that has no more than that."""
    whole = view.feasible_front[0].measurement.accuracy.reference_value
    return min(SMALL_LOSS, whole / 2) if whole > 0 else SMALL_LOSS


def _gain_of(best: Compliance) -> str:
    found, part = best.point.decisive, best.point.decisive.timing.ratio
    lost, label = found.accuracy.change, found.accuracy.label
    kind = "" if found.engine.int8_layers else ", without INT8"
    return (
        f"Ship trial {best.point.title}{kind}: {faster(part.value)} than the float engine "
        f"(95 % {speedup(part.high)} to {speedup(part.low)}), at {change(lost.value)} {label} "
        f"(95 % {interval(lost, change)})."
    )


def _how_sure(best: Compliance, drop: float) -> str:
    flags = best.point.decisive.timing.flags
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
    images = f"measured on {found.measurement.accuracy.images} images"
    if point.baseline is not None:
        return f"{images}; no search picked this baseline for its figures"
    return f"{images} by a search, which picks lucky figures: run `qpareto confirm`"


def _nothing_gained(found: Answer, drop: float, label: str) -> list[str]:
    """That the float engine is to be shipped, and what comes nearest to more."""
    told = [f"Ship the float engine: no other is faster at a loss of at most {drop:.4g} {label}."]
    near = [each for each in found.nearest if each.point.refuted is None]
    if not near:
        return told
    best = near[0].point.decisive
    lost = best.accuracy.change
    return [
        *told,
        f"The nearest is trial {near[0].point.title}: {faster(best.timing.ratio.value)}, at {change(lost.value)} "
        f"{label} (95 % {interval(lost, change)}).",
    ]
