"""Upper bounds of latency percentiles by order statistics, as MLPerf Inference takes them.

Of n runs that are independent of each other, the number that take at least as long as the percentile p of all runs
there could be is binomial, each with the probability 1 - p. So if t of n runs took a latency or longer, and

    sum over x = 0..t of C(n, x) p^(n - x) (1 - p)^x  <=  1 - c,

then so few would be seen with a probability of 1 - c at most, were that latency below the percentile: with confidence c
it is not. The bound is the t-th longest run, for the greatest such t: MLPerf Inference's early stopping criterion
(MLCommons, 'MLPerf Inference Rules', 'Early Stopping Criterion'; LoadGen's early_stopping.cc and results.cc, with
c = 0.99 and t from 1 on, which asks for 64 runs for p = 0.90 and 662 for 0.99, and tells the t - 1 longer runs as
discarded).

Runs that come in bursts, as on a shared machine, are not independent: the bound then covers less often than it says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.99


@dataclass(frozen=True, kw_only=True)
class Percentile:
    """A percentile of an engine's runs.

    Args:
        ms: of those that were timed, milliseconds; None in measurements made before it was kept.
        bound_ms: that of all runs there could be lies below it with a confidence of 99 %; at least `ms`. None where
            too few were timed to tell.
    """

    ms: float | None
    bound_ms: float | None

    @classmethod
    def of_runs(cls, runs_ms: NDArray[np.float64], share: float) -> Percentile:
        """From an engine's runs.

        Args:
            runs_ms: (n,), at least one.
            share: of the runs that are to be below it, in 0..1: 0.99 for the 99th percentile.
        """
        slow = slow_runs_allowed(len(runs_ms), share)
        bound_ms = float(np.sort(runs_ms)[-slow]) if slow else None
        return cls(ms=float(np.percentile(runs_ms, 100 * share)), bound_ms=bound_ms)


def slow_runs_allowed(runs: int, share: float, *, confidence: float = CONFIDENCE) -> int:
    """How many runs may be as slow as the bound or slower: the greatest t of the criterion; 0 of too few runs.

    Args:
        runs: that were timed, at least 0.
        share, confidence: in 0..1, without both ends.
    """
    from scipy.special import bdtr

    chances = bdtr(np.arange(runs + 1, dtype=np.float64), runs, 1 - share)  # of t slow runs or fewer, rising with t
    return max(0, int(np.count_nonzero(chances <= 1 - confidence)) - 1)


def greatest(percentiles: Sequence[Percentile]) -> Percentile:
    """That of runs of which each timing has one of its own: at least one; unknown where one of them is."""

    def of(each_ms: Iterable[float | None]) -> float | None:
        known = [math.inf if ms is None else ms for ms in each_ms]
        return None if math.inf in known else max(known)

    return Percentile(ms=of(p.ms for p in percentiles), bound_ms=of(p.bound_ms for p in percentiles))
