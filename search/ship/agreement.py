"""Whether two measurements of one figure agree: two intervals, one rule.

The figures are x with [l, u] and y with [m, v], each a 95 % interval. Their difference d = y - x then has the interval

    d - sqrt((y - m)^2 + (u - x)^2 - 2 r (y - m)(u - x))   to   d + sqrt((v - y)^2 + (x - l)^2 - 2 r (v - y)(x - l))

where r is the correlation of the two: Zou and Donner, 'Construction of confidence limits about effect measures: a
general approach', Statistics in Medicine 27 (2008), 1693-1702. Two timings are independent, r = 0. Two evaluations
on the same images share all that the interval of a mAP is about, which images were drawn, so there r = 1: the arms
cancel.

They agree unless that interval lies wholly outside of plus or minus a margin, which is what two honest measurements may
differ by on top: they disagree only beyond doubt, and only if it matters.
"""

from __future__ import annotations

import math

from ...objectives.interval import Interval


def difference(before: Interval, now: Interval, *, correlation: float = 0.0) -> Interval:
    """`now` less `before`, with its 95 % interval.

    Args:
        correlation: of the two figures, 0..1.
    """
    value = now.value - before.value
    below = _arm(now.value - now.low, before.high - before.value, correlation)
    above = _arm(now.high - now.value, before.value - before.low, correlation)
    return Interval(value, value - below, value + above)


def agree(before: Interval, now: Interval, *, margin: float, correlation: float = 0.0) -> bool:
    """Whether two measurements of one figure may be of one truth, give or take the margin.

    Args:
        margin: at least 0, in the figure's unit.
    """
    apart = difference(before, now, correlation=correlation)
    return apart.low <= margin and apart.high >= -margin


def _arm(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0))
