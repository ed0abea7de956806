"""Heads whose boxes are still to be decoded: from the cells of grids (YOLOX, NanoDet, PicoDet), or as in DETR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....spaces.preprocessing import Preprocessing
from .boxes import corners
from .head import SCORE_FLOOR, Candidates, Dense, Floats, Head, Shape, Size

_ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div", "Exp", "Pow"})
_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True)
class UndecodedHead(Head):
    """Reads its outputs as rows of corners and a score for each class.

    Args:
        size: height and width of the model's input, which places in pixels follow from.
    """

    size: Size

    def candidates(self, rows: NDArray[np.float32]) -> Candidates:
        boxes, classes = np.nonzero(rows[:, 4:] > SCORE_FLOOR)
        return rows[boxes, :4], rows[boxes, 4 + classes], classes

    def dense(self, rows: Floats) -> Dense | None:
        return rows[:, :4], rows[:, 4:]


class GridHead(UndecodedHead):
    """With a box for each cell of some grids."""

    strides: ClassVar[tuple[int, ...]]

    @classmethod
    def cells_of(cls, size: Size) -> list[int]:
        """How many cells each grid has."""
        return [-(-size[0] // stride) * -(-size[1] // stride) for stride in cls.strides]

    def _cells(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Column and row of each cell, [n, 2], and its stride in pixels, [n, 1]; grid by grid."""
        grids = [np.indices((-(-self.size[0] // s), -(-self.size[1] // s)), np.float32) for s in self.strides]
        places = np.concatenate([grid[::-1].reshape(2, -1).T for grid in grids])
        return places, np.repeat(np.array(self.strides, np.float32), self.cells_of(self.size))[:, None]


class DistanceHead(GridHead):
    """Tells how likely each distance (0, 1, ... strides) from a place in its cell to each side of a box is."""

    place: ClassVar[float] = 0.5  # in its cell, 0..1: the middle

    def _rows(self, scores: NDArray[np.float32], raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Corners and class scores [b, cells, 4 + classes], of scores and of logits [b, cells, 4 x distances]."""
        places, strides = self._cells()
        bins = raw.reshape(*raw.shape[:2], 4, -1)
        likely = np.exp(bins - bins.max(axis=-1, keepdims=True))
        distances = (likely @ np.arange(bins.shape[-1], dtype=raw.dtype)) / likely.sum(axis=-1) * strides
        middles = (places + np.float32(self.place)) * strides
        return np.concatenate((middles - distances[..., :2], middles + distances[..., 2:], scores), axis=-1)


@dataclass(frozen=True)
class YoloxHead(GridHead):
    """Of YOLOX: offsets in cells, logarithms of sizes in cells, objectness, and a score for each class."""

    kind: ClassVar[str] = "yolox"
    layout: ClassVar[str] = "[batch, cells, 5 + classes], not decoded"
    iou_limit: ClassVar[float | None] = 0.65
    preprocessing: ClassVar[Preprocessing] = Preprocessing(channels="bgr", fit="corner", divide=1.0)
    strides: ClassVar[tuple[int, ...]] = (8, 16, 32)

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        if size is None:
            return []
        rows = sum(cls.cells_of(size))
        return [
            cls(i, shape[2] - 5, size)
            for i, shape in enumerate(shapes)
            if len(shape) == 3 and shape[1] == rows and shape[2] >= 6 and count in (None, shape[2] - 5)
        ]

    def read(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        raw = super().read(outputs)
        places, strides = self._cells()
        with np.errstate(all="ignore"):  # what a bad quantization makes overflow is dropped later
            middles, sizes = (raw[..., :2] + places) * strides, np.exp(raw[..., 2:4]) * strides
            boxes = corners(np.concatenate((middles, sizes), axis=-1).reshape(-1, 4)).reshape(*raw.shape[:2], 4)
            return np.concatenate((boxes, raw[..., 5:] * raw[..., 4:5]), axis=-1)


class NanoDetHead(DistanceHead):
    """Of NanoDet: of each cell the class scores, and behind them how likely each distance to a side is."""

    kind: ClassVar[str] = "nanodet"
    layout: ClassVar[str] = "[batch, cells, classes + 4 x distances] of three grids"
    iou_limit: ClassVar[float | None] = 0.6
    preprocessing: ClassVar[Preprocessing] = Preprocessing(
        channels="bgr", fit="stretch", divide=1.0, mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395)
    )
    strides: ClassVar[tuple[int, ...]] = (8, 16, 32)
    usual_distances: ClassVar[int] = 8  # of a side, where the classes are not known

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        if size is None or len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][1] != sum(cls.cells_of(size)):
            return []
        classes = count or shapes[0][2] - 4 * cls.usual_distances
        sides = shapes[0][2] - classes
        return [cls(0, classes, size)] if classes > 0 and sides >= 8 and not sides % 4 else []

    def read(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        raw, classes = super().read(outputs), self.classes
        return self._rows(raw[..., :classes], raw[..., classes:])


class NanoDetPlusHead(NanoDetHead):
    """Of NanoDet-Plus: with a fourth grid, and distances from the upper left corner of a cell."""

    kind: ClassVar[str] = "nanodet_plus"
    layout: ClassVar[str] = "[batch, cells, classes + 4 x distances] of four grids"
    strides: ClassVar[tuple[int, ...]] = (8, 16, 32, 64)
    place: ClassVar[float] = 0.0


@dataclass(frozen=True)
class PicoDetHead(DistanceHead):
    """Of PicoDet: of each grid the class scores in one output, and in another how likely each distance to a side is.

    Args:
        scores, boxes: indices of those outputs, the finest grid first; `output` is the first with boxes.
    """

    scores: tuple[int, ...]
    boxes: tuple[int, ...]

    kind: ClassVar[str] = "picodet"
    layout: ClassVar[str] = "[batch, cells, classes] and [batch, cells, 4 x distances] of each of four grids"
    iou_limit: ClassVar[float | None] = 0.6
    preprocessing: ClassVar[Preprocessing] = Preprocessing(
        fit="stretch", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    strides: ClassVar[tuple[int, ...]] = (8, 16, 32, 64)

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        if size is None or len(shapes) != 2 * len(cls.strides) or any(len(shape) != 3 for shape in shapes):
            return []
        pairs = [[i for i, shape in enumerate(shapes) if shape[1] == cells] for cells in cls.cells_of(size)]
        if any(len(pair) != 2 for pair in pairs):
            return []
        scores, boxes = (tuple(indices) for indices in zip(*pairs, strict=True))  # exporters write scores first
        (classes, *others), (sides, *more) = ([shapes[i][2] for i in each] for each in (scores, boxes))
        alike = {classes, *others} == {classes} and {sides, *more} == {sides}
        if not alike or sides % 4 or sides < 8 or count not in (None, classes):
            return []
        return [cls(boxes[0], classes, size, scores, boxes)]

    def read(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        super().read(outputs)  # refuses where there are too few
        scores, raw = (np.concatenate([outputs[i] for i in each], axis=1) for each in (self.scores, self.boxes))
        return self._rows(scores, raw)


@dataclass(frozen=True)
class DetrHead(UndecodedHead):
    """Of DETR, RT-DETR, D-FINE, DEIM: a logit for each class, and boxes by centre and size as parts of the image.

    Args:
        logits: index of their output; `output` is that with boxes.
    """

    logits: int

    kind: ClassVar[str] = "detr"
    layout: ClassVar[str] = "[batch, queries, 4] and logits [batch, queries, classes]"
    iou_limit: ClassVar[float | None] = None
    preprocessing: ClassVar[Preprocessing] = Preprocessing(fit="stretch")
    most_queries: ClassVar[int] = 1000  # grids have more boxes

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        if size is None:
            return []
        few = [(i, shape) for i, shape in enumerate(shapes) if len(shape) == 3 and shape[1] <= cls.most_queries]
        return [
            cls(i, logits[2], size, j)
            for i, boxes in few
            for j, logits in few
            if i != j and boxes[:2] == logits[:2] and boxes[2] == 4 and count in (None, logits[2])
        ]

    def read(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        boxes, (height, width) = super().read(outputs), self.size
        pixels = np.array([width, height] * 2, np.float32)
        with np.errstate(over="ignore"):  # of a logit far below 0
            scores = 1 / (1 + np.exp(-outputs[self.logits]))
        return np.concatenate((corners(boxes.reshape(-1, 4)).reshape(boxes.shape) * pixels, scores), axis=-1)


def is_decoded(model: Any, output: int) -> bool:
    """Whether an `onnx.ModelProto` reckons with what its last layers give before it is this output.

    Of offsets in cells it only joins and reorders the parts, and squashes the scores.
    """
    maker = {tensor: node for node in model.graph.node for tensor in node.output}
    ahead, seen = [model.graph.output[output].name], set()
    while ahead:
        tensor = ahead.pop()
        node = maker.get(tensor)
        if node is None or tensor in seen or node.op_type in _WEIGHTED:
            continue
        if node.op_type in _ARITHMETIC:
            return True
        seen.add(tensor)
        ahead += node.input
    return False
