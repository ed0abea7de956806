"""Non-maximum suppression: of boxes that overlap, only the best stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unsuppressed(boxes: NDArray[np.float32], classes: NDArray[np.intp], iou_limit: float) -> NDArray[np.intp]:
    """Which boxes stay: those that overlap no better box of their class, that itself stays, by more than a limit.

    Args:
        boxes: [n, 4] left, top, right, bottom; best first.
        classes: [n] class indices.
        iou_limit: intersection over union, 0..1.

    Returns:
        Indices, ascending.
    """
    by_class = np.argsort(classes, kind="stable")
    groups = np.split(by_class, np.flatnonzero(np.diff(classes[by_class])) + 1)
    rectangles = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)
    return np.sort(np.concatenate([group[_unsuppressed(rectangles[group], iou_limit)] for group in groups]))


def _unsuppressed(rectangles: NDArray[np.float32], iou_limit: float) -> NDArray[np.intp]:
    """Of rectangles [n, 4] left, top, width, height of one class, best first."""
    import cv2

    if len(rectangles) < 2:
        return np.arange(len(rectangles))
    order = range(len(rectangles), 0, -1)  # stands in for the scores: OpenCV wants to sort by something
    # Lists, since OpenCV reads them twice as fast as arrays.
    return np.asarray(cv2.dnn.NMSBoxes(rectangles.tolist(), order, 0.0, iou_limit), np.intp)
