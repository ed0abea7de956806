"""A head with two outputs, boxes and class scores apart, as some exporters leave them for TensorRT's NMS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .boxes import corners
from .head import SCORE_FLOOR, Candidates, Dense, Floats, Head, Shape, Size


@dataclass(frozen=True)
class TwoOutputHead(Head):
    """Centre and size of each box in one output, a score for each class in another."""

    scores: int  # index of the output that holds them

    kind: ClassVar[str] = "two_outputs"
    layout: ClassVar[str] = "[batch, boxes, 4] and [batch, boxes, classes]"
    iou_limit: ClassVar[float | None] = 0.7

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        whole = [(i, shape) for i, shape in enumerate(shapes) if len(shape) == 3]
        return [
            cls(i, scores[2], j)
            for i, boxes in whole
            for j, scores in whole
            if i != j and boxes[1] == scores[1] and boxes[2] == 4 and count in (None, scores[2])
        ]

    def read(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.concatenate([outputs[self.output], outputs[self.scores]], axis=2)

    def candidates(self, rows: NDArray[np.float32]) -> Candidates:
        boxes, classes = np.nonzero(rows[:, 4:] > SCORE_FLOOR)
        return corners(rows[boxes, :4]), rows[boxes, 4 + classes], classes

    def dense(self, rows: Floats) -> Dense | None:
        return corners(rows[:, :4]), rows[:, 4:]
