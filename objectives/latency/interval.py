"""A confidence interval for a median of measurements that depend on each other in time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..interval import Interval

BATCHES = 10
_T_975 = 2.262  # 97.5 % point of Student's t with BATCHES - 1 degrees of freedom


def median_interval(values: NDArray[np.float64]) -> Interval:
    """Median of a time series and its 95 % interval, by order statistics.

    For independent values the number below the median is binomial, so the interval lies between the values of rank
    n/2 -+ 1.96 sqrt(n/4), whatever their distribution: heavy tails cost nothing, and nothing is dropped. Timings on
    a shared machine come in bursts, and are not independent. So the 1/4, the variance of one 'is above the median',
    is replaced by the long-run variance of that series of zeros and ones, estimated from the means of 10
    consecutive batches, with Student's t for the few batches: Heidelberger and Lewis, 'Quantile estimation in
    dependent sequences', Operations Research 32 (1984), 185-209; batch means as in Schmeiser, 'Batch size effects
    in the analysis of simulation output', Operations Research 30 (1982), 556-568. Below 1/4 it is never taken:
    an interval narrower than for independent values would be luck.

    Args:
        values: (n,), in the order of measuring, n at least 10.

    Returns:
        The median within its interval. Where the ranks fall outside the data (few values, strongly
        dependent), the smallest or the largest value: then the interval covers less than it says.
    """
    n = len(values)
    if n < BATCHES:
        raise ValueError(f"needs at least {BATCHES} values, got {n}")
    median = float(np.median(values))
    above = (values > median) + 0.5 * (values == median)
    size = n // BATCHES
    means = above[: size * BATCHES].reshape(BATCHES, size).mean(axis=1)
    variance = max(0.25, size * float(means.var(ddof=1)))
    reach = _T_975 * math.sqrt(n * variance)
    ranked = np.sort(values)
    low, high = max(0, math.floor(n / 2 - reach)), min(n, math.ceil(n / 2 + reach)) - 1
    return Interval(median, float(ranked[low]), float(ranked[high]))
