"""What a study found: its points, its front, how much the front gains, and whether INT8 pays at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ...errors import CandidateError
from ...objectives.accuracy.metrics import MAP, METRICS, Metric
from ...objectives.measurement import Measurement
from ...objectives.objective import accuracy_among, directions_of, values_of
from ..front import Points, front_of, hypervolume, losses
from ..study.record import TrialRecord
from ..study.search_study import SearchStudy, Snapshot
from ..wording import change, ratio, with_interval
from .doubts import doubts_of, unsteady
from .figures import expected_luck
from .points import Point, spread_of
from .standing import losses_of, surely_beats, tie, without_int8

HYPERVOLUME_MAP_SHARE = 0.5  # the worst corner: half the reference's mAP, at the reference's latency


class Results:
    """The complete trials of a study, read once.

    Args:
        float_type: the study's own: what the search's candidates run in outside of INT8.
        confirmations: by trial number, see `Point.confirmed`.
        fresh: by trial number, see `Point.fresh`.
        data: what must be known of the images that were measured on, a sentence each.

    `spread` is how far timings lie apart, where the study knows it better than each measurement did; see `spread_of`.
    """

    def __init__(
        self,
        records: Sequence[TrialRecord],
        *,
        objectives: Sequence[str],
        float_type: str,
        confirmations: Mapping[int, Measurement | CandidateError] | None = None,
        fresh: Mapping[int, Measurement] | None = None,
        data: Sequence[str] = (),
    ) -> None:
        self.records, self.objectives, self.data = tuple(records), tuple(objectives), tuple(data)
        self.float_type = float_type
        self._confirmations, self._fresh = dict(confirmations or {}), dict(fresh or {})
        found = self._points(record for record in records if record.reused_from is None)
        self.spread = spread_of(found)
        self.points = tuple(self._by_spread(found))

    def with_point(self, point: Point) -> Results:
        """The same results, but with what has been measured of this point since."""
        again = {} if point.confirmed is None else {point.trial: point.confirmed}
        fresh = {} if point.fresh is None else {point.trial: point.fresh}
        return Results(
            self.records,
            objectives=self.objectives,
            float_type=self.float_type,
            confirmations=self._confirmations | again,
            fresh=self._fresh | fresh,
            data=self.data,
        )

    @cached_property
    def front(self) -> tuple[Point, ...]:
        """The points that no other point of the study beats, fastest first; every float type and recipe among them.

        Like is compared with like. Of those that were measured again, the ones that no other such beats by the figures
        that count. Of the others, the ones that nothing beats by the search's figures: a search's lucky figures would
        put whatever it had beaten before those that were held to account. What could not be built again is left out.
        """
        left = [point for point in self.points if point.refuted is None]
        waiting = [point for point in self._front_by_search(left) if not point.is_measured_again]
        found = list(waiting)
        for point in self.front_among([p for p in left if p.is_measured_again]):
            if point in self._front_by_search([*waiting, point]):
                found.append(point)
        return tuple(sorted(found, key=lambda point: point.decisive.timing.ms))

    def front_among(self, points: Sequence[Point]) -> tuple[Point, ...]:
        """Those of some points that no other of them beats by the figures that count, fastest first."""
        left = [point for point in points if point.refuted is None]
        kept = front_of(self.losses(left))
        chosen = [point for point, stays in zip(left, kept, strict=True) if stays]
        return tuple(sorted(chosen, key=lambda point: point.decisive.timing.ms))

    def _front_by_search(self, points: Sequence[Point]) -> list[Point]:
        """Those of some points that no other of them beats by the search's figures."""
        found = [values_of(point.measurement, self.objectives) for point in points]
        kept = front_of(losses(found, directions_of(self.objectives)))
        return [point for point, stays in zip(points, kept, strict=True) if stays]

    @cached_property
    def own_points(self) -> tuple[Point, ...]:
        """The points in the study's own float type: what the search learns from and its hypervolume is of."""
        return tuple(point for point in self.points if point.measurement.engine.float_type == self.float_type)

    @cached_property
    def own_front(self) -> tuple[Point, ...]:
        """Of these, by the search's figures, those that no other one beats: what its candidates race against."""
        return tuple(sorted(self._front_by_search(self.own_points), key=lambda point: point.measurement.timing.ms))

    @property
    def metric(self) -> Metric:
        """What accuracy is measured by."""
        if self.points:
            return self.points[0].measurement.accuracy.metric
        return METRICS[accuracy_among(self.objectives) or MAP.name]

    @property
    def reference(self) -> Point | None:
        """The engine without INT8, in the study's own float type; None before it is measured."""
        return next((point for point in self.own_points if not point.measurement.engine.int8_layers), None)

    @cached_property
    def baselines(self) -> tuple[Point, ...]:
        """Every recipe's point, in the order in which they were begun; those of another float type last.

        A recipe that made the graph of an earlier trial has that trial's measurements under its own number.
        """
        found = self._by_spread(self._points(record for record in self.records if record.baseline))
        return tuple(sorted(found, key=lambda point: point.measurement.engine.float_type != self.float_type))

    def beside_front(self) -> list[Point]:
        """Off the front: every recipe's point, then those that were measured once more and are beaten, or failed."""
        again = [p for p in self.points if p.confirmed is not None and p.baseline is None]
        return [point for point in (*self.baselines, *again) if point not in self.front]

    def beaten_by(self, point: Point) -> tuple[Point, ...]:
        """The points that beat this one beyond doubt, see `surely_beats`, those of the front first."""
        found = [p for p in self.points if p.refuted is None and surely_beats(p, point, self.objectives)]
        return tuple(sorted(found, key=lambda p: p not in self.front))

    def ties(self, point: Point) -> tuple[int, ...]:
        """The front's other trials whose intervals overlap this point's, on mAP as on latency."""
        return tuple(p.trial for p in self.front if p is not point and tie(p.decisive, point.decisive, self.objectives))

    def luck(self, point: Point) -> float:
        """By how much accuracy the search's pick of this point flatters it, at most; 0 once other images have told.

        See `expected_luck`: of all points that tied with it, the search made the best one stand out. Nobody picked a
        recipe for its figures.
        """
        if point.figures.held_out or point.baseline:
            return 0.0
        found = point.measurement
        return expected_luck(found, sum(tie(p.measurement, found, self.objectives) for p in self.own_points) - 1)

    def losses(self, points: Sequence[Point]) -> Points:
        """(n_points, n_objectives) of the figures that count, smaller is better."""
        return losses_of(points, self.objectives)

    def as_json(self, *, others: bool = False) -> list[dict[str, Any]]:
        """The front's points, each as `Point.as_json`.

        Args:
            others: also those of `beside_front`, and stopped trials: `trial`, `reused_from`, `stopped`, no objectives.
        """
        told = [point.as_json() for point in self.front]
        if others:
            told += [point.as_json() for point in self.beside_front()]
            told += [
                {"trial": record.number, "reused_from": record.reused_from, "stopped": record.stopped.as_json()}
                for record in self.records
                if record.stopped
            ]
        return told

    def hypervolume(self) -> float:
        """Share of the box between the reference and the worst corner that `own_points` dominate in mAP and latency.

        The box reaches from half the reference's mAP50-95 to all of it, and from no latency to the reference's; a
        point more accurate than the reference reaches out of it, so the share can exceed 1. 0 without points.
        """
        return self.hypervolumes(self.own_points)[-1] if self.own_points else 0.0

    def hypervolumes(self, points: Sequence[Point]) -> list[float]:
        """`hypervolume` as it was after each of the points, in their order."""
        if not points:
            return []
        first = points[0].measurement
        reference_map, reference_ms = first.accuracy.reference_value, first.timing.unit_ms
        if reference_map <= 0:
            return [0.0] * len(points)
        found: list[float] = []
        best = np.empty((0, 2))  # of the points so far
        for point in points:
            scored, timed = point.measurement.accuracy, point.measurement.timing
            scaled = (-scored.value / reference_map, timed.ms / reference_ms)
            best = np.vstack([best, scaled])
            kept = front_of(best)
            if kept[-1] or not found:
                best = best[kept]
                found.append(hypervolume(best, (-HYPERVOLUME_MAP_SHARE, 1.0)) / (1 - HYPERVOLUME_MAP_SHARE))
            else:
                best = best[:-1]
                found.append(found[-1])
        return found

    def has_stalled(self, *, trials: int, growth: float) -> bool:
        """Whether the last so many finished trials raised the hypervolume by at most this."""
        ended = [record for record in self.records if record.outcome.counts]
        if len(ended) <= trials:
            return False
        before = Results(ended[:-trials], objectives=self.objectives, float_type=self.float_type)
        return self.hypervolume() - before.hypervolume() <= growth

    def remarks(self, *, doubts: bool = True) -> tuple[str, ...]:
        """What a reader must know beside the figures, with `doubts` of the front's timings too, see `doubts_of`."""
        doubtful = doubts_of({point.trial: point.decisive for point in self.front}) if doubts else []
        return (
            *self.verdict(),
            *self._lucky(),
            *self._without_kernel(),
            *self.data,
            *unsteady(self.points, self.spread),
            *doubtful,
        )

    @cached_property
    def without_int8(self) -> Point | None:
        """What to ship where INT8 does not pay, see `standing.without_int8`; None where it does."""
        points = [point for point in self.points if point.refuted is None]
        return without_int8(points, self.reference, self.objectives)

    def verdict(self) -> list[str]:
        """One sentence if no engine with INT8 layers is faster than one without beyond its interval; else none."""
        if (ship := self.without_int8) is None:
            return []
        mixed = [p.decisive for p in self.points if p.measurement.engine.int8_layers and p.refuted is None]
        best = min(mixed, key=lambda found: found.timing.ratio.value)
        taken = with_interval(best.timing.ratio, ratio, level="95 % ")
        if ship == self.reference:
            named = "the reference"
        else:
            scored = f"{ratio(ship.decisive.timing.ratio.value)}, {change(ship.decisive.accuracy.change.value)}"
            named = f"{ship.precision}, trial {ship.trial} ({scored})"
        return [
            f"INT8 does not pay here: of {len(mixed)} engines with INT8 layers the fastest takes {taken} of the "
            f"{self.float_type} reference's time, at {change(best.accuracy.change.value)} {self.metric.label}. "
            f"Ship {named}, as `qpareto export` does unless --trial names another."
        ]

    def _lucky(self) -> list[str]:
        """How much of the front's figures may be luck, until it is measured on images that the search never saw."""
        found = max(self.front, key=self.luck, default=None)
        if found is None or self.luck(found) < 5e-5:  # of four digits
            return []
        return [
            f"A search picks lucky figures: on the front they may flatter by up to {self.luck(found):.4f} "
            f"{self.metric.label} (trial {found.trial}), until `qpareto confirm` measures it on other images "
            "(data.confirm)."
        ]

    def _without_kernel(self) -> list[str]:
        """What runs in float in every candidate, since the device has no kernel for it: in the baselines too."""
        measured = [point.measurement for point in self.points]
        layers = sorted({name for found in measured for name in found.engine.no_int8_kernel})
        if not layers:
            return []
        names = [p.baseline for p in self.baselines if p.baseline and p.measurement.engine.no_int8_kernel]
        told = f", in the baselines {', '.join(names)} too" if names else ""
        found = next(found for found in measured if found.engine.no_int8_kernel)
        kind, told_of = found.engine.kind, found.provenance
        version = f" {told_of.versions[kind]}" if kind in told_of.versions else ""
        return [
            f"No INT8 kernel on {told_of.device} ({kind}{version}): {', '.join(layers)}. "
            f"{'It runs' if len(layers) == 1 else 'They run'} in float in every candidate{told}."
        ]

    def _points(self, records: Iterable[TrialRecord]) -> list[Point]:
        """The points of the records that have one; what was measured since is kept under the first trial of a graph."""
        found = []
        for record in records:
            if record.measurement is not None:
                first = record.number if record.reused_from is None else record.reused_from
                again, fresh = self._confirmations.get(first), self._fresh.get(first)
                point = Point(trial=record.number, measurement=record.measurement, baseline=record.baseline)
                found.append(replace(point, confirmed=again, fresh=fresh) if again or fresh else point)
        return found

    def _by_spread(self, points: list[Point]) -> list[Point]:
        """With the spread where the study knows it, but for the reference: timed against itself it hardly varies."""
        if self.spread is None:
            return points
        engines = [point.measurement.engine for point in points]
        own = [not engine.int8_layers and engine.float_type == self.float_type for engine in engines]
        return [p if is_own else replace(p, spread=self.spread) for p, is_own in zip(points, own, strict=True)]


def results_of_study(study: SearchStudy, now: Snapshot | None = None) -> Results:
    """A study's results, as they are in its storage, or were when it was looked at."""
    stored = study.stored
    return Results(
        (now or study.look()).records,
        objectives=study.objectives,
        float_type=study.identity.float_type,
        confirmations=stored.confirmed,
        fresh=stored.exported,
        data=stored.data or (),
    )
