"""Outputs of every kind of head for objects that were thought up, in pictures of 320 pixels, of six classes."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from qpareto.objectives.accuracy.heads import Head
from qpareto.objectives.accuracy.heads.plain_heads import EndToEndHead, Yolov5Head, Yolov8Head

HEADS = (Yolov8Head(0, 6), Yolov5Head(0, 6), EndToEndHead(0, 6))
Objects = list[tuple[float, float, float, float, float, int]]  # left, top, right, bottom, score, class


@st.composite
def objects(draw: st.DrawFn) -> Objects:
    """At most one in each cell of a grid of 80 pixels."""
    cells = draw(st.lists(st.integers(0, 15), max_size=10, unique=True))
    found: Objects = []
    for cell in cells:
        left, top = (80 * part + draw(st.integers(0, 20)) for part in (cell % 4, cell // 4))
        width, height = draw(st.integers(20, 50)), draw(st.integers(20, 50))
        found.append((left, top, left + width, top + height, draw(st.integers(1, 64)) / 64, draw(st.integers(0, 5))))
    return found


pictures = st.lists(objects(), min_size=1, max_size=3)


def outputs(head: Head, images: list[Objects], *, backwards: bool = False) -> NDArray[np.float32]:
    """As the head would say it; backwards: in the other order."""
    rows = np.zeros((len(images), 16, {"yolov8": 10, "yolov5": 11, "end2end": 6}[head.kind]), np.float32)
    for image, found in enumerate(images):
        for row, (left, top, right, bottom, score, label) in enumerate(found[::-1] if backwards else found):
            if head.kind == "end2end":
                rows[image, row] = left, top, right, bottom, score, label
                continue
            rows[image, row, :4] = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
            rows[image, row, 4] = 1  # YOLOv5's objectness
            rows[image, row, (4 if head.kind == "yolov8" else 5) :] = np.eye(6)[label] * score
    return np.ascontiguousarray(rows.transpose(0, 2, 1)) if head.kind == "yolov8" else rows
