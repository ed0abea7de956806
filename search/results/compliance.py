"""Compliance: which of a study's points keep what is required, how surely, and which one to ship."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import StudyError
from ...objectives.accuracy.metrics import Metric
from .points import Point
from .requirements import Finding, Requirements
from .study_results import Results

NEAREST = 3  # points that are told where none complies

Role = Literal["reference", "front", "recipe", "other float type", "beaten"]


@dataclass(frozen=True, kw_only=True)
class Compliance:
    """How a point stands to all requirements. One that could not be measured once more complies with nothing.

    Args:
        role: what it is in its study: the reference; on the front; off it a recipe, or in another float type; beaten.
        findings: of the figures that count, see `Point.figures`.
        searched: of the search's figures where others decide; else empty.
    """

    point: Point
    role: Role
    findings: tuple[Finding, ...]
    searched: tuple[Finding, ...] = ()

    @property
    def is_met(self) -> bool:
        """Whether every deciding figure keeps its limit."""
        return self.point.refuted is None and all(finding.is_met for finding in self.findings)

    @property
    def is_sure(self) -> bool:
        """Whether they do over the whole of their 95 % intervals."""
        return self.point.refuted is None and all(finding.is_sure for finding in self.findings)

    @property
    def violations(self) -> tuple[float, ...]:
        """Of every requirement, the one that is missed the most first, see `Finding.violation`; inf if refuted."""
        found = (math.inf if self.point.refuted else finding.violation for finding in self.findings)
        return tuple(sorted(found, reverse=True))

    @property
    def probability(self) -> float:
        """That all limits are kept, 0..1, from the intervals of the deciding figures.

        By a normal approximation (`Finding.probability`, which tells what that ignores). Limits on one source, such as
        two on accuracy, are kept or broken together, so the stricter one counts; accuracy and latency are taken as
        independent, so theirs are multiplied. Where a search picked the point by these very figures it is too high:
        the luckiest of many candidates comes to the front. Recipes, and figures confirmed on other images, are free
        of that.
        """
        if self.point.refuted:
            return 0.0
        of_source: dict[str, float] = {}
        for finding in self.findings:
            source = finding.requirement.quantity.source
            of_source[source] = min(finding.probability, of_source.get(source, 1.0))
        return math.prod(of_source.values())

    def as_json(self) -> dict[str, Any]:
        """The point as `front --json` has it, and how it complies.

        `role`; `met`, `sure` and `probability` of all together; `findings`, see `Finding.as_json`, and `searched`,
        the same by the search's figures, empty where those decide.
        """
        return {
            **self.point.as_json(),
            "role": self.role,
            "met": self.is_met,
            "sure": self.is_sure,
            "probability": self.probability,
            "findings": [finding.as_json() for finding in self.findings],
            "searched": [finding.as_json() for finding in self.searched],
        }


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Whether a study has what is required.

    Args:
        best: the point to ship, or None: nothing complies.
        nearest: where nothing does, at most three, the nearest first: those whose worst requirement is missed the
            least, then their next worst.
        measured, meeting: how many points were looked at, and how many of them comply.
    """

    requirements: Requirements
    best: Compliance | None
    nearest: tuple[Compliance, ...]
    measured: int
    meeting: int

    @property
    def is_met(self) -> bool:
        return self.best is not None

    def as_json(self) -> dict[str, Any]:
        """One object: the answer, the point that gives it, or the nearest.

        `met`; `requirements`, see `Requirement.as_json`; `point`, see `Compliance.as_json`, its `confidence` (the
        probability, 0..1) and whether it is `confirmed`, all null if nothing complies; `nearest`, as `point`, empty if
        something does; `measured` and `meeting`, numbers of points.
        """
        return {
            "met": self.is_met,
            "requirements": [requirement.as_json() for requirement in self.requirements],
            "point": self.best.as_json() if self.best else None,
            "confidence": self.best.probability if self.best else None,
            "confirmed": self.best.point.is_measured_again if self.best else None,
            "nearest": [compliance.as_json() for compliance in self.nearest],
            "measured": self.measured,
            "meeting": self.meeting,
        }


def answer(results: Results, requirements: Requirements, *, infeasible: Collection[int] = ()) -> Answer:
    """Whether any measured point complies, and which one to ship.

    All points count: the front's, beaten ones, recipes, and those of another float type. One that another that complies
    beats beyond doubt, the reference too, is not the one to ship. Of the others first come those that comply beyond
    all their 95 % intervals; of these those that were confirmed; and of these the fastest, or the most accurate where
    accuracy is not limited. Where no interval is clear of its limit, the most probable takes the fastest's place: who
    ships wants to keep the promise more than to beat it. The reference comes last: it keeps every limit on accuracy for
    certain, and gains nothing.

    Args:
        infeasible: numbers of trials that break a constraint of their study: they do not count.

    Raises:
        StudyError: nothing was measured, the study or its device does not tell what is limited, or a limit allows
            everything.
    """
    points = [point for point in results.points if point.trial not in infeasible]
    if not points:
        raise StudyError("The study has no complete trial yet, so there is nothing that could keep a requirement.")
    roles = _roles(results)
    found = [_compliance(point, roles[point.trial], requirements) for point in points]
    _refuse_other_metric(results.metric, requirements)
    _refuse_untold(found)
    _refuse_empty(points, requirements)
    meeting = [each for each in found if each.is_met]
    nearest = sorted(found, key=lambda each: (each.violations, -each.probability, each.point.trial))
    return Answer(
        requirements=requirements,
        best=_best(meeting, results),
        nearest=() if meeting else tuple(nearest[:NEAREST]),
        measured=len(found),
        meeting=len(meeting),
    )


def _best(found: Sequence[Compliance], results: Results) -> Compliance | None:
    """The first in order whom none of the others beats beyond doubt; None if there is none."""
    trials = {each.point.trial for each in found}
    ordered = sorted(found, key=_merit)
    return next((each for each in ordered if trials.isdisjoint(p.trial for p in results.beaten_by(each.point))), None)


def _merit(compliance: Compliance) -> tuple[float, ...]:
    """Smaller is better: the order of those that comply, see `answer`."""
    latency_ms, map50_95 = compliance.point.decisive.timing.ms, compliance.point.comparable_accuracy
    limits_accuracy = any(each.requirement.quantity.source == "accuracy" for each in compliance.findings)
    taste = (latency_ms, -map50_95) if limits_accuracy else (-map50_95, latency_ms)
    doubt = 0.0 if compliance.is_sure else 1 - compliance.probability
    order = (compliance.role == "reference", not compliance.is_sure, not compliance.point.is_measured_again, doubt)
    return (*order, *taste, compliance.point.trial)


def _compliance(point: Point, role: Role, requirements: Requirements) -> Compliance:
    searched = requirements.of(point.measurement)
    if point.is_measured_again:
        return Compliance(point=point, role=role, findings=requirements.of(point.decisive), searched=searched)
    return Compliance(point=point, role=role, findings=searched)


def _roles(results: Results) -> dict[int, Role]:
    """What every point is, by trial number; where it is several things, the one that is named last here."""
    roles: dict[int, Role] = {point.trial: "recipe" if point.baseline else "beaten" for point in results.points}
    others = (point for point in results.points if point.measurement.engine.float_type != results.float_type)
    roles.update((point.trial, "other float type") for point in others)
    roles.update((point.trial, "front") for point in results.front)
    if results.reference is not None:
        roles[results.reference.trial] = "reference"
    return roles


def _refuse_untold(found: Sequence[Compliance]) -> None:
    for findings in zip(*(compliance.findings for compliance in found), strict=True):
        if all(finding.figure is None for finding in findings):
            device, name = found[0].point.decisive.provenance.device, findings[0].requirement.name
            raise StudyError(f"{device} told no {name} of any engine of this study: leave that requirement out.")


def _refuse_other_metric(metric: Metric, requirements: Requirements) -> None:
    for requirement in requirements:
        other = requirement.quantity.metric
        if other is not None and other is not metric:
            same = requirement.name.replace(other.name, metric.name).replace(other.stem, metric.stem)
            raise StudyError(
                f"The requirement {requirement} is of {other.label}, but this study measures {metric.label}: write "
                f"{same}={requirement.limit:g}."
            )


def _refuse_empty(points: Iterable[Point], requirements: Requirements) -> None:
    """A drop by all that there is allows an engine that finds nothing: it was meant in points."""
    scored = next(iter(points)).measurement.accuracy
    whole, drop = scored.reference_value, f"{scored.metric.stem}_drop"
    for requirement in requirements:
        if requirement.name == drop and 0 < whole <= requirement.limit:
            raise StudyError(
                f"The requirement {requirement} allows all of the reference's {scored.label} {whole:.4f} to be lost: "
                f"it is absolute, and one point is 0.01, so perhaps {drop}={requirement.limit / 100:g} is meant."
            )
