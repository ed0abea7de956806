"""The head of a classifier: how likely each class is for the whole image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....spaces.preprocessing import Preprocessing
from ..tasks import CLASSIFY, Task
from .head import Candidates, Dense, Floats, Head, Shape, Size


@dataclass(frozen=True)
class ClassHead(Head):
    """Of Ultralytics' classifiers. Every class is found where the model looks, surely or not: no score is too low.

    Args:
        size: height and width of the model's input, which is where.
    """

    size: Size

    kind: ClassVar[str] = "classify"
    layout: ClassVar[str] = "[batch, classes], after softmax"
    task: ClassVar[Task] = CLASSIFY
    preprocessing: ClassVar[Preprocessing] = Preprocessing(fit="crop")
    iou_limit: ClassVar[float | None] = None

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        if size is None:
            return []
        return [
            cls(i, shape[1], size)
            for i, shape in enumerate(shapes)
            if len(shape) == 2 and shape[1] > 1 and count in (None, shape[1])
        ]

    def candidates(self, rows: NDArray[np.float32]) -> Candidates:
        return np.repeat(self._whole, len(rows), axis=0), rows, np.arange(len(rows))

    def dense(self, rows: Floats) -> Dense | None:
        return self._whole, rows[None]

    @property
    def _whole(self) -> NDArray[np.float32]:
        height, width = self.size
        return np.array([[0, 0, width, height]], np.float32)
