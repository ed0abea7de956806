from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qpareto.objectives.accuracy.heads.nms import unsuppressed


def iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(shared / (sum(areas) - shared))


def obvious(boxes: NDArray[np.float32], classes: NDArray[np.intp], iou_limit: float) -> list[int]:
    kept: list[int] = []
    for i in range(len(boxes)):
        if all(classes[i] != classes[j] or iou(boxes[i], boxes[j]) <= iou_limit for j in kept):
            kept.append(i)
    return kept


places = st.tuples(st.integers(0, 10), st.integers(0, 10), st.integers(1, 10), st.integers(1, 10))


@given(st.lists(st.tuples(places, st.integers(0, 2)), max_size=40), st.sampled_from([0.3, 0.6, 0.7]))
def test_what_stays_is_what_the_definition_keeps(rows: list[tuple[tuple[int, ...], int]], iou_limit: float) -> None:
    boxes = np.array([(x, y, x + w, y + h) for (x, y, w, h), _ in rows], np.float32).reshape(-1, 4)
    classes = np.array([k for _, k in rows], np.intp)
    # At the limit itself rounding decides, in OpenCV as in any other.
    assume(all(abs(iou(a, b) - iou_limit) > 1e-6 for a in boxes for b in boxes))
    assert unsuppressed(boxes, classes, iou_limit).tolist() == obvious(boxes, classes, iou_limit)


def test_nothing_stays_of_nothing() -> None:
    assert unsuppressed(np.zeros((0, 4), np.float32), np.zeros(0, np.intp), 0.7).tolist() == []
