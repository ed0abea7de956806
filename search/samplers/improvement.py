"""Expected hypervolume improvement: how much a point is expected to push out the front.

The volume that a point y adds is the volume of the u that nothing dominates yet, that lie below the reference and that
y dominates. Its expectation over independent normal objectives is therefore

    EHVI = integral over such u of  prod_j P(Y_j <= u_j) du

For two objectives the region is a row of strips, a_k <= u_1 < a_{k+1} and u_2 < b_k, and with
G_j(t) = integral of P(Y_j <= u) du up to t = E[max(t - Y_j, 0)] it is exact:

    EHVI = sum_k (G_1(a_{k+1}) - G_1(a_k)) * G_2(b_k)

(the strips of Yang et al., 'Efficient computation of expected hypervolume improvement', 2019). For one objective it is
the expected improvement; for three or more the integral is taken over the same random u for all candidates.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SAMPLES = 512  # for three or more objectives
BEYOND = 2.0  # standard deviations below the lowest mean to which the sampled region reaches


def expected_improvement(
    mean: Floats, deviation: Floats, points: Floats, reference: Floats, *, rng: np.random.Generator
) -> Floats:
    """Expected gain in hypervolume of each candidate on its own.

    Args:
        mean, deviation: (n, m) of each candidate's objectives, smaller is better; deviations are at least 0.
        points: (p, m) what is there already; dominated points do no harm.
        reference: (m,) the worst corner; what is beyond it adds nothing.
        rng: used for three or more objectives only.

    Returns:
        (n,), at least 0.
    """
    if mean.shape[1] == 1:
        best = min(float(reference[0]), *points[:, 0].tolist()) if len(points) else float(reference[0])
        return expected_shortfall(np.array([best]), mean[:, :1], deviation[:, :1])[:, 0]
    if mean.shape[1] == 2:
        return _exact(mean, deviation, points, reference)
    return _sampled(mean, deviation, points, reference, rng=rng)


def expected_shortfall(thresholds: Floats, mean: Floats, deviation: Floats) -> Floats:
    """E[max(t - Y, 0)] for Y ~ N(mean, deviation^2); broadcasts. With no deviation it is max(t - mean, 0)."""
    spread = np.maximum(deviation, 1e-12)
    z = (thresholds - mean) / spread
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    shortfall: Floats = np.maximum(spread * (z * probability_below(z) + density), 0.0)
    return shortfall


def probability_below(z: Floats) -> Floats:
    """The standard normal distribution function."""
    from scipy.special import ndtr

    return np.asarray(ndtr(z), dtype=np.float64)


def _exact(mean: Floats, deviation: Floats, points: Floats, reference: Floats) -> Floats:
    inside = points[(points < reference).all(axis=1)]
    order = inside[np.lexsort((inside[:, 1], inside[:, 0]))]
    lowest = np.minimum.accumulate(order[:, 1])
    steps = order[lowest < np.concatenate([[np.inf], lowest[:-1]])]  # the front, from left to right
    edges = np.append(steps[:, 0], reference[0])
    heights = np.concatenate([[reference[1]], steps[:, 1]])
    below = expected_shortfall(edges, mean[:, :1], deviation[:, :1])
    widths = np.diff(below, axis=1, prepend=0.0)
    gain: Floats = (widths * expected_shortfall(heights, mean[:, 1:], deviation[:, 1:])).sum(axis=1)
    return gain


def _sampled(mean: Floats, deviation: Floats, points: Floats, reference: Floats, *, rng: np.random.Generator) -> Floats:
    low = np.minimum((mean - BEYOND * deviation).min(axis=0), reference)
    corners = low + rng.random((SAMPLES, len(reference))) * (reference - low)
    free = np.ones(SAMPLES, dtype=bool)
    for point in points:
        free &= (point > corners).any(axis=1)
    gain = np.zeros(len(mean))
    for corner in corners[free]:
        gain += probability_below((corner - mean) / np.maximum(deviation, 1e-12)).prod(axis=1)
    volume = float(np.prod(reference - low))
    scaled: Floats = gain * volume / SAMPLES
    return scaled
