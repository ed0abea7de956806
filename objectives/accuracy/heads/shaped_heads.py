"""Heads of Ultralytics' models that find masks or key points: a plain head whose boxes have more columns."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....errors import DatasetError
from ..tasks import POSE, SEGMENT, Task
from .head import Candidates, Dense, Floats, Head, Shape, Size
from .plain_heads import EndToEndHead, PlainHead, Yolov8Head, of_three
from .shapes import KeyPoints, Prototypes, Shapes

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class ShapedHead(Head):
    """Args: size: height and width of the model's input, in pixels.

    of_image: sizes of one image's boxes and what stands beside them in the output of this index.
    """

    size: Size
    of_image: Shape

    plain: ClassVar[type[PlainHead]] = Yolov8Head

    @abstractmethod
    def shapes_at(self, rows: Rows, places: NDArray[np.intp]) -> Shapes:
        """Those of the boxes in these places of one image."""

    def shapes(self, rows: Rows, some: NDArray[np.intp]) -> Shapes | None:
        return self.shapes_at(rows, self._plain.places(self.table(rows))[some])

    def candidates(self, rows: Rows) -> Candidates:
        return self._plain.candidates(self.table(rows))

    def dense(self, rows: Floats) -> Dense | None:
        return self._plain.dense(self.table(rows))

    def table(self, rows: Floats) -> Floats:
        whole = self._boxes(rows)
        return whole[:, : self._told] if self.plain is EndToEndHead else whole[: self._told]

    def _beside(self, rows: Rows, places: NDArray[np.intp]) -> Rows:
        """[places, columns] what stands beside the boxes."""
        whole = self._boxes(rows)
        return whole[places, self._told :] if self.plain is EndToEndHead else whole[self._told :, places].T

    def _boxes(self, rows: Floats) -> Floats:
        return rows[: np.prod(self.of_image)].reshape(self.of_image)

    @property
    def _told(self) -> int:
        """Columns of box, score and class."""
        return 6 if self.plain is EndToEndHead else 4 + (self.classes or 0)

    @property
    def _plain(self) -> PlainHead:
        return self.plain(0, self.classes)

    def read(self, outputs: Sequence[Rows]) -> Rows:
        return super().read(outputs).reshape(len(outputs[self.output]), -1)


@dataclass(frozen=True)
class MaskHead(ShapedHead):
    """Of YOLOv8, 9, 11 and 12 for segmentation: as yolov8, with coefficients of prototypes, another output.

    Args:
        prototypes: index of that output.
        grid: its sizes, of one image: how many, height, width.
    """

    prototypes: int
    grid: tuple[int, int, int]

    kind: ClassVar[str] = "yolov8-seg"
    layout: ClassVar[str] = "[batch, 4 + classes + masks, boxes] and [batch, masks, height, width]"
    task: ClassVar[Task] = SEGMENT
    iou_limit: ClassVar[float | None] = 0.7

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        grids = [(i, (shape[1], shape[2], shape[3])) for i, shape in enumerate(shapes) if len(shape) == 4]
        return [
            cls(i, classes, size, shapes[i][1:], j, grid)
            for j, grid in grids
            if size is not None
            for i, classes, _ in _beside_boxes(cls.plain, shapes, count, columns=grid[0])
        ]

    def read(self, outputs: Sequence[Rows]) -> Rows:
        boxes = super().read(outputs)
        return np.concatenate([boxes, outputs[self.prototypes].reshape(len(boxes), -1)], axis=1)

    def shapes_at(self, rows: Rows, places: NDArray[np.intp]) -> Prototypes:
        prototypes = rows[np.prod(self.of_image) :].reshape(self.grid)
        stride = self.size[1] / self.grid[2], self.size[0] / self.grid[1]
        return Prototypes(self._beside(rows, places), prototypes, stride)


@dataclass(frozen=True)
class EndToEndMaskHead(MaskHead):
    """Of models for segmentation that suppress overlapping boxes themselves, such as YOLO26."""

    kind: ClassVar[str] = "end2end-seg"
    layout: ClassVar[str] = "[batch, boxes, 6 + masks] and [batch, masks, height, width]"
    iou_limit: ClassVar[float | None] = None
    plain: ClassVar[type[PlainHead]] = EndToEndHead


@dataclass(frozen=True)
class PoseHead(ShapedHead):
    """Of YOLOv8, 9, 11 and 12 for poses: as yolov8, with the numbers of key points.

    Args:
        points: how many key points, and how many numbers of each.
    """

    points: tuple[int, int]

    kind: ClassVar[str] = "yolov8-pose"
    layout: ClassVar[str] = "[batch, 4 + classes + key points x 3, boxes]"
    task: ClassVar[Task] = POSE
    iou_limit: ClassVar[float | None] = 0.7

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        return [
            cls(i, classes, size, shapes[i][1:], (columns // each, each))
            for i, classes, columns in _beside_boxes(cls.plain, shapes, count)
            for each in (3, 2)
            if size is not None and columns % each == 0
        ]

    def suits(self, metadata: Mapping[str, str]) -> bool:
        return "kpt_shape" not in metadata or tuple(ast.literal_eval(metadata["kpt_shape"])) == self.points

    def refuse_other(self, key_points: int) -> None:
        if key_points != self.points[0]:
            raise DatasetError(
                f"The data set labels {key_points} key points, but the model finds {self.points[0]}: take the data set "
                "that it was trained for."
            )

    def shapes_at(self, rows: Rows, places: NDArray[np.intp]) -> KeyPoints:
        return KeyPoints(self._beside(rows, places).reshape(-1, *self.points))


@dataclass(frozen=True)
class EndToEndPoseHead(PoseHead):
    """Of models for poses that suppress overlapping boxes themselves, such as YOLO26."""

    kind: ClassVar[str] = "end2end-pose"
    layout: ClassVar[str] = "[batch, boxes, 6 + key points x 3]"
    iou_limit: ClassVar[float | None] = None
    plain: ClassVar[type[PlainHead]] = EndToEndHead


def _beside_boxes(
    plain: type[PlainHead], shapes: Sequence[Shape], count: int | None, *, columns: int | None = None
) -> list[tuple[int, int | None, int]]:
    """Outputs that hold more than a plain head's: index, classes, and how many columns more.

    Args:
        count: of classes, if known.
        columns: how many more there are, if known.
    """
    found: list[tuple[int, int | None, int]] = []
    for i, middle, last in of_three(shapes):
        if plain is EndToEndHead:
            if 6 < last < middle and columns in (None, last - 6):
                found.append((i, count, last - 6))
        elif count or columns:
            classes = count or middle - 4 - (columns or 0)
            if (more := middle - 4 - classes) > 0 and classes > 0 and columns in (None, more):
                found.append((i, classes, more))
    return found
