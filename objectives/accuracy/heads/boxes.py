"""Boxes: corners from centre and size, and how far two of them overlap."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=np.floating)


def corners(boxes: NDArray[F]) -> NDArray[F]:
    """[k, 4] centre and size to left, top, right, bottom."""
    half = boxes[:, 2:] / 2
    return np.concatenate((boxes[:, :2] - half, boxes[:, :2] + half), axis=1)


def iou(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union, 0..1, of boxes [..., 4] (left, top, right, bottom), broadcast.

    Of two boxes without an area it is 1 if they are equal, and otherwise 0.
    """
    mine, theirs = one.astype(np.float64), other.astype(np.float64)  # a box may be as large as its type allows
    shared = _area(np.maximum(mine[..., :2], theirs[..., :2]), np.minimum(mine[..., 2:], theirs[..., 2:]))
    union = _area(mine[..., :2], mine[..., 2:]) + _area(theirs[..., :2], theirs[..., 2:]) - shared
    equal = np.broadcast_to((mine == theirs).all(axis=-1), union.shape).astype(np.float64)
    return np.divide(shared, union, out=equal, where=union != 0)


def _area(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    area: NDArray[np.float64] = np.maximum(high - low, 0).prod(axis=-1)
    return area
