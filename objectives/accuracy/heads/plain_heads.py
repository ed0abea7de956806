"""Heads whose outputs hold decoded boxes and class scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....spaces.preprocessing import Preprocessing
from .boxes import corners
from .head import SCORE_FLOOR, Candidates, Dense, Floats, Head, Shape, Size


class PlainHead(Head):
    """A head whose candidates have places, in which other columns may tell more of them."""

    @abstractmethod
    def places(self, rows: NDArray[np.float32]) -> NDArray[np.intp]:
        """The place of each of `candidates` among the boxes of one image."""


class Yolov8Head(PlainHead):
    """Of YOLOv8, 9, 11 and 12: centre, size, and a score for each class."""

    kind: ClassVar[str] = "yolov8"
    layout: ClassVar[str] = "[batch, 4 + classes, boxes]"
    iou_limit: ClassVar[float | None] = 0.7

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        return [
            cls(i, middle - 4)
            for i, middle, last in of_three(shapes)
            if 5 <= middle < last and count in (None, middle - 4)
        ]

    def candidates(self, rows: NDArray[np.float32]) -> Candidates:
        classes, boxes = np.divmod(np.flatnonzero(rows[4:] > SCORE_FLOOR), rows.shape[1])
        return corners(rows[:4, boxes].T), rows[4 + classes, boxes], classes

    def places(self, rows: NDArray[np.float32]) -> NDArray[np.intp]:
        places: NDArray[np.intp] = np.flatnonzero(rows[4:] > SCORE_FLOOR) % rows.shape[1]
        return places

    def dense(self, rows: Floats) -> Dense | None:
        return corners(rows[:4].T), rows[4:].T


class Yolov5Head(Head):
    """Of YOLOv5: centre, size, objectness, and a score for each class, which objectness is still to be put to."""

    kind: ClassVar[str] = "yolov5"
    layout: ClassVar[str] = "[batch, boxes, 5 + classes]"
    iou_limit: ClassVar[float | None] = 0.6

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        return [
            cls(i, last - 5) for i, middle, last in of_three(shapes) if 6 <= last < middle and count in (None, last - 5)
        ]

    def candidates(self, rows: NDArray[np.float32]) -> Candidates:
        rows = rows[rows[:, 4] > SCORE_FLOOR]
        scores = rows[:, 5:] * rows[:, 4:5]
        boxes, classes = np.divmod(np.flatnonzero(scores > SCORE_FLOOR), scores.shape[1])
        return corners(rows[boxes, :4]), scores[boxes, classes], classes

    def dense(self, rows: Floats) -> Dense | None:
        return corners(rows[:, :4]), rows[:, 5:] * rows[:, 4:5]


class EndToEndHead(PlainHead):
    """Of models that suppress overlapping boxes themselves, such as YOLOv10: corners, score, class, the best first."""

    kind: ClassVar[str] = "end2end"
    layout: ClassVar[str] = "[batch, boxes, 6]"
    iou_limit: ClassVar[float | None] = None

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        return [cls(i, count) for i, _, last in of_three(shapes) if last == 6]

    def candidates(self, rows: NDArray[np.float32]) -> Candidates:
        rows = rows[self.places(rows)]
        return rows[:, :4], rows[:, 4], rows[:, 5].astype(np.intp)

    def places(self, rows: NDArray[np.float32]) -> NDArray[np.intp]:
        return np.flatnonzero((rows[:, 4] > SCORE_FLOOR) & np.isfinite(rows).all(axis=1))

    def dense(self, rows: Floats) -> Dense | None:
        return None


@dataclass(frozen=True)
class DetrEndToEndHead(EndToEndHead):
    """Of RT-DETR, D-FINE, DEIM with their postprocessor: labels, boxes by their corners, scores; the best first.

    Args:
        labels, scores: indices of those outputs; `output` is that with boxes.
    """

    labels: int
    scores: int

    kind: ClassVar[str] = "detr_end2end"
    layout: ClassVar[str] = "labels [batch, boxes], [batch, boxes, 4] and scores [batch, boxes]"
    preprocessing: ClassVar[Preprocessing] = Preprocessing(fit="stretch")

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        boxes = [i for i, shape in enumerate(shapes) if len(shape) == 3 and shape[2] == 4]
        if len(boxes) != 1 or len(shapes) != 3:
            return []
        labels, scores = (i for i in range(3) if i not in boxes)  # every exporter writes labels before scores
        alike = shapes[labels] == shapes[scores] == shapes[boxes[0]][:2]
        return [cls(boxes[0], count, labels, scores)] if alike else []

    def read(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        boxes = super().read(outputs)
        return np.concatenate((boxes, outputs[self.scores][..., None], outputs[self.labels][..., None]), axis=-1)


def of_three(shapes: Sequence[Shape]) -> list[tuple[int, int, int]]:
    """Index, middle and last size of the outputs that have a batch and two more sizes."""
    return [(i, shape[1], shape[2]) for i, shape in enumerate(shapes) if len(shape) == 3]
