"""How far apart timings of one engine lie: between processes and builds, which no interval of a single timing holds.

A process that loads an engine gives it memory of its own, and a build may choose other kernels: the ratio to the
reference then differs by more than one timing's own interval tells. Of 7 finalists of YOLO11n on a processor, each told
with +-0.4 %, none was within its interval when it was built and timed again: they were 1 to 4 % off.

So the spread is measured: the engine with all layers in INT8 against the reference, again and again, each time in a
new process. Where a build times kernels to choose them, each time of a new build of both: of eight finalists of
YOLO11n at batch 32 on an H200 by TensorRT, all were 0.2 to 0.4 % off in one direction when they were built again,
since the reference had been too, and YOLOv5n's FP16 engines differed by up to 4 %, timed in one copy each, of which
part was where that copy lay in memory (`copies.py`). Several timings of one build would
look like more evidence than they are. The reference against itself would not do: what a process or a neighbour on the
machine does to both alike cancels there, but not where only one computes in INT8 (YOLO11n on a processor, in one
hour: 0.26 % against itself, 0.61 % with 33 layers in INT8, 1.0 % with all). With the standard deviation s of the
logarithms of n such ratios, a new timing of an engine that was timed m times lies with 95 % within

    ratio * exp(+-t s sqrt(1 + 1 / m)),     t: the 97.5 % point of Student's t with n - 1 degrees of freedom,

the prediction interval for a normal sample (Hahn & Meeker, 'Statistical Intervals', 1991, chapter 4). The timing's own
interval is added to that in quadrature, so that a disturbed one is told wider.

Six timings within two minutes do not see what an hour does to a machine, and four builds may be alike by chance (of
YOLO11n at batch 1 on H200s, found five times: 0.03 to 2.2 %). So a study's intervals go by what all of its machines
found (`pooled`), or by what its own points show that were timed again by a confirmation, where that is more
(`with_repeats`).

None of this holds between builds from different timing caches: of YOLO11n at batch 32 on H200s all layers in INT8 took
0.917 to 0.928 of the reference by one, 0.950 to 0.955 by another, where rebuilds from one lie within 0.4 %. Since the
spread is measured wherever a study goes on, the ratio that it finds tells whether it may (`surely_apart`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from ..interval import Interval

PROCESSES = 6  # that time one build
BUILDS = 4  # that are timed once each, where they may differ: they take minutes
FEWEST_REPEATS = 3  # engines that were timed again: the median of fewer is the one or the other of them
Timed = tuple[float, int]  # a ratio, and of how many timings it is the geometric mean


def timings_of_spread(*, chooses_kernels: bool) -> int:
    """How many timings a spread is of, on whose number its certainty depends.

    Args:
        chooses_kernels: whether a build chooses kernels by timing them, so that builds differ.
    """
    return BUILDS if chooses_kernels else PROCESSES


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What timings of one engine showed.

    Args:
        deviation: standard deviation of the logarithm of the ratio, at least 0: 0.01 is about 1 %.
        timings: that it was estimated from, at least 2.
        ratio: their geometric mean, above 0; None where only the deviation is known.
    """

    deviation: float
    timings: int
    ratio: float | None = None

    def __post_init__(self) -> None:
        if not (self.deviation >= 0 and math.isfinite(self.deviation)) or self.timings < 2:
            raise ValueError(f"a spread needs 2 timings and a deviation from 0, got {self.timings}, {self.deviation}")

    @classmethod
    def of_ratios(cls, ratios: Sequence[float]) -> Spread:
        """From ratios of one engine to the reference, each above 0 and of a process of its own; at least 2."""
        logs = np.log(ratios)
        return cls(deviation=float(logs.std(ddof=1)), timings=len(ratios), ratio=math.exp(logs.mean()))

    @classmethod
    def pooled(cls, spreads: Sequence[Spread]) -> Spread:
        """What several found, at least one: four builds that happen to be alike tell little.

        Its deviation is the root of their mean variance. It is no surer than the least sure of them, since GPUs of one
        machine time the same builds.
        """
        variances = [each.deviation**2 for each in spreads]
        return cls(deviation=math.sqrt(float(np.mean(variances))), timings=min(each.timings for each in spreads))

    def with_repeats(self, repeats: Sequence[tuple[Timed, Timed]]) -> Spread:
        """The spread, or that of engines which were timed again later where it is larger.

        Its deviation is the median of their differences in the logarithm, each over sqrt(1 / m + 1 / n) for ratios of m
        and n timings, divided by the standard normal's quartile (the normalized MAD; Rousseeuw & Croux, 'Alternatives
        to the median absolute deviation', JASA 88 (1993), 1273-1283): one engine that was rebuilt into a slower one is
        not a spread of all.

        Args:
            repeats: of each engine two ratios above 0; fewer than `FEWEST_REPEATS` engines show nothing.
        """
        if len(repeats) < FEWEST_REPEATS:
            return self
        apart = [abs(math.log(b / a)) / math.sqrt(1 / m + 1 / n) for (a, m), (b, n) in repeats]
        seen = float(np.median(apart)) / NormalDist().inv_cdf(0.75)
        return replace(self, deviation=max(self.deviation, seen))

    def surely_apart(self, other: Spread) -> float:
        """By how much the ratio differs beyond doubt from that of another machine, in the logarithm; at least 0.

        That is the nearer end of the 95 % interval of the difference of both means, each of its own variance (Welch,
        'The generalization of Student's problem when several different population variances are involved', Biometrika
        34 (1947), 28-35), with the fewer degrees of freedom of the two, which is never too narrow.

        Args:
            other: with a ratio, as this one.
        """
        from scipy.special import stdtrit

        if self.ratio is None or other.ratio is None:
            raise ValueError("one of the two does not tell its ratio")
        error = math.hypot(*(each.deviation / math.sqrt(each.timings) for each in (self, other)))
        reach = float(stdtrit(min(self.timings, other.timings) - 1, 0.975)) * error
        return max(abs(math.log(self.ratio / other.ratio)) - reach, 0.0)

    def around(self, own: Interval, *, timings: int = 1) -> Interval:
        """Where a new timing of an engine lies with 95 %, around the same ratio.

        Args:
            own: the ratio of its latency to the reference's, of several timings their geometric mean, within its own
                interval, which the result holds.
            timings: that the ratio is of, at least 1.
        """
        from scipy.special import stdtrit

        reach = float(stdtrit(self.timings - 1, 0.975)) * self.deviation * math.sqrt(1 + 1 / timings)
        ratio, low, high = own
        below, above = (math.hypot(reach, math.log(ratio / low)), math.hypot(reach, math.log(high / ratio)))
        return Interval(ratio, ratio * math.exp(-below), ratio * math.exp(above))
