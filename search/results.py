"""What a study found: its points, its front, how much the front gains, and whether INT8 pays at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import CandidateError
from ..objectives.measurement import DIRECTIONS, Measurement
from .front import Points, front_of, hypervolume, losses
from .record import FINISHED, TrialRecord
from .study import SearchStudy, Snapshot

HYPERVOLUME_MAP_SHARE = 0.5  # the worst corner: half the reference's mAP, at the reference's latency

DOUBTS = {  # a measurement's flag -> what it means
    "foreign_load": "other programs used the CPU meanwhile",
    "cpu_throttled": "this container's CPU quota stopped it (lower engine.threads, or raise the quota)",
    "load_unknown": "this system does not tell whether other programs used the CPU",
    "foreign_process": "another process computed on the GPU meanwhile",
    "throttled": "the GPU lowered its clocks meanwhile (`measure` shows why)",
    "not_steady": "the warm-up ended before latency was steady",
    "wide_interval": "the time was up before the interval was as narrow as latency.ci_width asks",
}


@dataclass(frozen=True, kw_only=True)
class Point:
    """A complete trial.

    Args:
        trial: its number.
        baseline: the recipe's name if it is one.
        confirmed: what the same candidate scored when it was built and measured once more, after the search; or why
            it could not be; None before that.
    """

    trial: int
    measurement: Measurement
    baseline: str | None
    confirmed: Measurement | CandidateError | None = None

    @property
    def title(self) -> str:
        """Its number, and the recipe's name if it is one: `2 ultralytics`."""
        return f"{self.trial} {self.baseline}" if self.baseline else str(self.trial)

    def as_json(self) -> dict[str, Any]:
        """One object with `trial`, `baseline`, the fields of the measurement, and `confirmed`, or `refuted`."""
        told: dict[str, Any] = {"trial": self.trial, "baseline": self.baseline, **self.measurement.as_json()}
        if isinstance(self.confirmed, Measurement):
            told["confirmed"] = self.confirmed.as_json()
        elif self.confirmed is not None:
            told["refuted"] = str(self.confirmed)
        return told


class Results:
    """The complete trials of a study, read once.

    Args:
        float_type: the study's own; a baseline in another float type is compared with the front, never on it.
        confirmations: by trial number, see `Point.confirmed`.
    """

    def __init__(
        self,
        records: Sequence[TrialRecord],
        *,
        objectives: Sequence[str],
        float_type: str,
        confirmations: Mapping[int, Measurement | CandidateError] | None = None,
    ) -> None:
        self.records, self.objectives = tuple(records), tuple(objectives)
        self._float_type, self._confirmations = float_type, confirmations or {}
        measured = self._points(record for record in records if record.reused_from is None)
        self.points = tuple(point for point in measured if not self._is_outside(point))
        self.outside = tuple(point for point in measured if self._is_outside(point))

    @cached_property
    def front(self) -> tuple[Point, ...]:
        """The points that no other point of the study beats, fastest first."""
        if not self.points:
            return ()
        chosen = [point for point, kept in zip(self.points, front_of(self.losses(self.points)), strict=True) if kept]
        return tuple(sorted(chosen, key=lambda point: point.measurement.latency_ms))

    @property
    def reference(self) -> Point | None:
        """The engine without INT8, in the study's own float type; None before it is measured."""
        return next((point for point in self.points if not point.measurement.int8_layers), None)

    @cached_property
    def baselines(self) -> tuple[Point, ...]:
        """Every recipe's point, in the order in which they were begun; those of another float type last.

        A recipe that made the graph of an earlier trial has that trial's measurement under its own number.
        """
        found = self._points(record for record in self.records if record.baseline)
        return tuple(sorted(found, key=self._is_outside))

    def upheld(self) -> frozenset[int]:
        """Numbers of the front's trials that no other of them beats by what they scored when measured once more."""
        again = [(p.trial, p.confirmed) for p in self.front if isinstance(p.confirmed, Measurement)]
        if not again:
            return frozenset()
        kept = front_of(self._losses([found for _, found in again]))
        return frozenset(trial for (trial, _), stays in zip(again, kept, strict=True) if stays)

    def ties(self, point: Point) -> tuple[int, ...]:
        """The front's other trials whose intervals overlap this point's, on mAP as on latency."""
        return tuple(p.trial for p in self.front if p is not point and _tie(p.measurement, point.measurement))

    def losses(self, points: Sequence[Point]) -> Points:
        """(n_points, n_objectives), smaller is better."""
        return self._losses([point.measurement for point in points])

    def _losses(self, found: Sequence[Measurement]) -> Points:
        values = [measurement.values(self.objectives) for measurement in found]
        return losses(values, [DIRECTIONS[name] for name in self.objectives])

    def as_json(self, *, others: bool = False) -> list[dict[str, Any]]:
        """The front's points, each as `Point.as_json`.

        Args:
            others: also baselines off the front, and stopped trials: `trial`, `reused_from`, `stopped`, no objectives.
        """
        told = [point.as_json() for point in self.front]
        if others:
            told += [point.as_json() for point in self.baselines if point not in self.front]
            told += [
                {"trial": record.number, "reused_from": record.reused_from, "stopped": record.stopped.as_json()}
                for record in self.records
                if record.stopped
            ]
        return told

    def hypervolume(self) -> float:
        """Share of the box between the reference and the worst corner that the points dominate in mAP and latency.

        The box reaches from half the reference's mAP50-95 to all of it, and from no latency to the reference's; a
        point more accurate than the reference reaches out of it, so the share can exceed 1. 0 without points.
        """
        return self.hypervolumes(self.points)[-1] if self.points else 0.0

    def hypervolumes(self, points: Sequence[Point]) -> list[float]:
        """`hypervolume` as it was after each of the points, in their order."""
        if not points:
            return []
        first = points[0].measurement
        reference_map, reference_ms = first.reference_map50_95, first.latency_ms / first.latency_ratio
        if reference_map <= 0:
            return [0.0] * len(points)
        found: list[float] = []
        best = np.empty((0, 2))  # of the points so far
        for point in points:
            scaled = (-point.measurement.map50_95 / reference_map, point.measurement.latency_ms / reference_ms)
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
        ended = [record for record in self.records if record.state in FINISHED]
        if len(ended) <= trials:
            return False
        before = Results(ended[:-trials], objectives=self.objectives, float_type=self._float_type)
        return self.hypervolume() - before.hypervolume() <= growth

    def remarks(self, *, doubts: bool = True) -> tuple[str, ...]:
        """What a reader must know beside the figures: float types that beat the front, and doubtful timings.

        Args:
            doubts: also those of the front's timings, in the search; see `doubts_of`.
        """
        doubtful = doubts_of({point.trial: point.measurement for point in self.front}) if doubts else []
        return (*self.verdict(), *self._beaten_by(), *self._without_kernel(), *doubtful)

    def verdict(self) -> list[str]:
        """One sentence if no engine with INT8 layers is faster than the reference beyond its interval; else none."""
        mixed = [point.measurement for point in self.points if point.measurement.int8_layers]
        if not mixed or any(found.latency_ratio_ci[1] < 1 for found in mixed):
            return []
        best = min(mixed, key=lambda found: found.latency_ratio)
        low, high = best.latency_ratio_ci
        return [
            f"INT8 does not pay here: of {len(mixed)} engines with INT8 layers the fastest takes "
            f"{best.latency_ratio:.3f} (95 % {low:.3f} to {high:.3f}) of the {best.float_type} reference's time, at "
            f"{best.map50_95_change:+.4f} mAP50-95. Ship the reference: `qpareto export` with --reference."
        ]

    def _beaten_by(self) -> list[str]:
        found = []
        for point in self.outside:
            beaten = [p for p in self.front if _beats(point.measurement, p.measurement)]
            if beaten:
                found.append(
                    f"{point.baseline} alone beats {len(beaten)} of the front's {len(self.front)} points on this "
                    f"device (mAP50-95 {point.measurement.map50_95:.4f}, {point.measurement.latency_ms:.3f} ms): "
                    "there INT8 does not pay."
                )
        return found

    def _without_kernel(self) -> list[str]:
        """What runs in float in every candidate, since the device has no kernel for it: in the baselines too."""
        measured = [point.measurement for point in (*self.points, *self.outside)]
        layers = sorted({name for found in measured for name in found.no_int8_kernel})
        if not layers:
            return []
        names = [p.baseline for p in self.baselines if p.baseline and p.measurement.no_int8_kernel]
        told = f", in the baselines {', '.join(names)} too" if names else ""
        found = next(found for found in measured if found.no_int8_kernel)
        versions = ", ".join(f"{name} {version}" for name, version in found.versions.items() if name == found.engine)
        return [
            f"No INT8 kernel on {found.device} ({versions or found.engine}): {', '.join(layers)}. "
            f"{'It runs' if len(layers) == 1 else 'They run'} in float in every candidate{told}."
        ]

    def _points(self, records: Iterable[TrialRecord]) -> list[Point]:
        """The points of the records that have one."""
        return [
            Point(
                trial=record.number,
                measurement=record.measurement,
                baseline=record.baseline,
                confirmed=self._confirmations.get(record.number),
            )
            for record in records
            if record.measurement is not None
        ]

    def _is_outside(self, point: Point) -> bool:
        return point.measurement.float_type != self._float_type


def results_of_study(study: SearchStudy, now: Snapshot | None = None) -> Results:
    """A study's results, as they are in its storage, or were when it was looked at."""
    return Results(
        (now or study.look()).records,
        objectives=study.objectives,
        float_type=study.float_type,
        confirmations=study.confirmations(),
    )


def doubts_of(found: Mapping[int, Measurement]) -> list[str]:
    """What disturbed these timings, by trial number: a sentence a flag, for the figures that bear a `*`."""
    trials: dict[str, list[int]] = {}
    for trial, measurement in found.items():
        for flag in measurement.flags:
            trials.setdefault(flag, []).append(trial)
    return [
        f"* Doubtful timing of trial {', '.join(map(str, of))}: {DOUBTS.get(flag, flag)}."
        for flag, of in trials.items()
    ]


def _tie(one: Measurement, other: Measurement) -> bool:
    """Whether the intervals overlap, on both axes."""
    pairs = (
        (one.map50_95_change_ci, other.map50_95_change_ci),
        (one.latency_ratio_ci, other.latency_ratio_ci),
    )
    return all(a[0] <= b[1] and b[0] <= a[1] for a, b in pairs)


def _beats(one: Measurement, other: Measurement) -> bool:
    """On mAP and latency: nowhere worse, somewhere better."""
    no_worse = one.map50_95 >= other.map50_95 and one.latency_ms <= other.latency_ms
    return no_worse and (one.map50_95, one.latency_ms) != (other.map50_95, other.latency_ms)
