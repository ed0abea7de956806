"""Confidence intervals for measurements that depend on each other in time, and on what they are of."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..interval import Interval

BATCHES = 10
_T_975 = 2.262  # 97.5 % point of Student's t with BATCHES - 1 degrees of freedom


def interval_of_copies(values: NDArray[np.float64], copies: int) -> Interval:
    """Mean over copies of the median of each, and its 95 % interval.

    How far the copies' medians lie apart counts by Student's t, with one degree of freedom less than there are copies,
    and in quadrature how sure they are in time, by `median_interval` of what each value is off its copy's median.

    Args:
        values: (n,), in the order of measuring, the i-th of copy i modulo `copies`; n at least 10, and `copies`.
        copies: at least 1.
    """
    medians = _medians(values, copies)
    center, in_time = float(medians.mean()), interval_in_time(values, copies)
    apart = 0.0
    if copies > 1:
        from scipy.special import stdtrit

        apart = float(stdtrit(copies - 1, 0.975) * medians.std(ddof=1) / math.sqrt(copies))
    return Interval(center, center - math.hypot(in_time.low, apart), center + math.hypot(in_time.high, apart))


def interval_in_time(values: NDArray[np.float64], copies: int) -> Interval:
    """Around 0, how sure a longer measuring of the same copies could be. Arguments as of `interval_of_copies`."""
    _, low, high = median_interval(values - np.resize(_medians(values, copies), len(values)))
    return Interval(0.0, min(low, 0.0), max(high, 0.0))


def _medians(values: NDArray[np.float64], copies: int) -> NDArray[np.float64]:
    """Of each copy: (copies,)."""
    return np.array([np.median(values[copy::copies]) for copy in range(copies)])


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
