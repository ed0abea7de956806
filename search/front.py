"""The front: the points that nothing beats, how much they gain, and the best bargain among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def losses(values: Sequence[Sequence[float]], directions: Sequence[str]) -> Points:
    """Values with every objective turned so that smaller is better: the border below which nobody asks which way.

    Args:
        values: n_points rows of n_objectives, each in its own direction.
        directions: `maximize` or `minimize`, one an objective.

    Returns:
        (n_points, n_objectives).
    """
    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    turned: Points = np.asarray(values, dtype=np.float64).reshape(-1, len(signs)) * signs
    return turned


def front_of(points: Points) -> NDArray[np.bool_]:
    """Mark the points that no other point beats: is nowhere worse than and somewhere better.

    Args:
        points: (n_points, n_objectives), smaller is better in every column. NaN is refused.

    Returns:
        (n_points,) booleans. Of equal points all are kept: they are different engines.

    Raises:
        ValueError: points is not two-dimensional, or holds NaN.
    """
    if points.ndim != 2:
        raise ValueError(f"points must be (n_points, n_objectives), got shape {points.shape}")
    if np.isnan(points).any():
        raise ValueError("points must not hold NaN: a candidate without a value failed, and is no point")
    found = np.zeros(len(points), dtype=np.bool_)
    left = np.lexsort(points.T[::-1])
    while len(left):  # the first in lexicographic order is beaten by none that is left
        found[left[0]] = True
        no_better = points[left[1:]] >= points[left[0]]
        beaten = no_better.all(axis=1) & (points[left[1:]] > points[left[0]]).any(axis=1)
        left = left[1:][~beaten]
    return found


def hypervolume(points: Points, reference: Sequence[float] | Points) -> float:
    """Volume that the points dominate, up to a reference point.

    By slicing along the last objective (While et al., 'A faster algorithm for calculating hypervolume', 2006):
    exact, and quick for the few points of a front.

    Args:
        points: (n_points, n_objectives), smaller is better. Points not better than the reference add nothing.
        reference: (n_objectives,) the worst corner, in the same turned units.

    Returns:
        At least 0, in the product of the objectives' units.
    """
    corner = np.asarray(reference, dtype=np.float64)
    inside = points[(points < corner).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    if inside.shape[1] == 1:
        return float(corner[0] - inside.min())
    order = inside[np.argsort(inside[:, -1], kind="stable")]
    depths = np.diff(np.append(order[:, -1], corner[-1]))
    return float(sum(d * hypervolume(order[: i + 1, :-1], corner[:-1]) for i, d in enumerate(depths) if d > 0))


def knee(points: Points) -> int:
    """Index of the point farthest below the straight line between the front's ends: the best bargain.

    Each objective is scaled to 0..1 over the points first, so that units do not matter. With more than two
    objectives it is the point farthest below the plane of equal sums. A front of one or two points has its knee at
    the one with the smaller sum.

    Args:
        points: (n_points, n_objectives) of a front, smaller is better; at least one.
    """
    span = np.ptp(points, axis=0)
    scaled = (points - points.min(axis=0)) / np.where(span > 0, span, 1.0)
    return int(np.argmin(scaled.sum(axis=1)))
