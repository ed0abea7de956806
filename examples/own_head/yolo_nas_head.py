"""A head of one's own, outside of the package: that of YOLO-NAS, which gives corners and class scores apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from qpareto.objectives.accuracy.heads import SCORE_FLOOR, Candidates, Dense, Floats, Head, Shape, Size
from qpareto.spaces.preprocessing import Preprocessing


@dataclass(frozen=True)
class YoloNasHead(Head):
    """Corners of each box in pixels of the model's input in one output, a score for each class in another."""

    scores: int  # index of the output that holds them

    layout: ClassVar[str] = "[batch, boxes, 4] and [batch, boxes, classes]"
    iou_limit: ClassVar[float | None] = 0.7
    preprocessing: ClassVar[Preprocessing] = Preprocessing(fit="corner")

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        if len(shapes) != 2 or any(len(shape) != 3 for shape in shapes):
            return []
        boxes, scores = sorted((0, 1), key=lambda i: shapes[i][2] != 4)
        alike = shapes[boxes][2] == 4 and shapes[boxes][:2] == shapes[scores][:2]
        return [cls(boxes, shapes[scores][2], scores)] if alike and count in (None, shapes[scores][2]) else []

    def read(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.concatenate([outputs[self.output], outputs[self.scores]], axis=2)

    def candidates(self, rows: NDArray[np.float32]) -> Candidates:
        boxes, classes = np.nonzero(rows[:, 4:] > SCORE_FLOOR)
        return rows[boxes, :4], rows[boxes, 4 + classes], classes

    def dense(self, rows: Floats) -> Dense | None:
        return rows[:, :4], rows[:, 4:]
