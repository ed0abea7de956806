"""The heads that are known, where in its outputs each has boxes and class scores, and which of them a model has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ...spaces.model import DetectorModel, load_onnx
from ...spaces.preprocessing import Preprocessing
from .boxes import corners
from .heads import SCORE_FLOOR, Candidates, Dense, Floats, Head, Shape, Size
from .own_heads import imported_head
from .undecoded_heads import DetrHead, NanoDetHead, NanoDetPlusHead, PicoDetHead, YoloxHead, is_decoded


class Yolov8Head(Head):
    """Of YOLOv8, 9, 11 and 12: centre, size, and a score for each class."""

    kind: ClassVar[str] = "yolov8"
    layout: ClassVar[str] = "[batch, 4 + classes, boxes]"
    iou_limit: ClassVar[float | None] = 0.7

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        return [
            cls(i, middle - 4)
            for i, middle, last in _of_three(shapes)
            if 5 <= middle < last and count in (None, middle - 4)
        ]

    def candidates(self, rows: NDArray[np.float32]) -> Candidates:
        classes, boxes = np.divmod(np.flatnonzero(rows[4:] > SCORE_FLOOR), rows.shape[1])
        return corners(rows[:4, boxes].T), rows[4 + classes, boxes], classes

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
            cls(i, last - 5)
            for i, middle, last in _of_three(shapes)
            if 6 <= last < middle and count in (None, last - 5)
        ]

    def candidates(self, rows: NDArray[np.float32]) -> Candidates:
        rows = rows[rows[:, 4] > SCORE_FLOOR]
        scores = rows[:, 5:] * rows[:, 4:5]
        boxes, classes = np.divmod(np.flatnonzero(scores > SCORE_FLOOR), scores.shape[1])
        return corners(rows[boxes, :4]), scores[boxes, classes], classes

    def dense(self, rows: Floats) -> Dense | None:
        return corners(rows[:, :4]), rows[:, 5:] * rows[:, 4:5]


class EndToEndHead(Head):
    """Of models that suppress overlapping boxes themselves, such as YOLOv10: corners, score, class, the best first."""

    kind: ClassVar[str] = "end2end"
    layout: ClassVar[str] = "[batch, boxes, 6]"
    iou_limit: ClassVar[float | None] = None

    @classmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        return [cls(i, count) for i, _, last in _of_three(shapes) if last == 6]

    def candidates(self, rows: NDArray[np.float32]) -> Candidates:
        rows = rows[(rows[:, 4] > SCORE_FLOOR) & np.isfinite(rows).all(axis=1)]
        return rows[:, :4], rows[:, 4], rows[:, 5].astype(np.intp)

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


_KINDS: tuple[type[Head], ...] = (
    Yolov8Head,
    Yolov5Head,
    EndToEndHead,
    DetrEndToEndHead,
    YoloxHead,
    NanoDetHead,
    NanoDetPlusHead,
    PicoDetHead,
    DetrHead,
)
HEADS: dict[str, type[Head]] = {head.kind: head for head in _KINDS}


def head_named(name: str) -> type[Head]:
    """The head of a name, or of one's own at an import path.

    Raises:
        ModelError: there is none of that name, or nothing such at that path.
    """
    if ":" in name:
        return imported_head(name)
    if name not in HEADS:
        raise ModelError(
            f"There is no head '{name}': set head to one of {', '.join(HEADS)}, or to the import path of one's own."
        )
    return HEADS[name]


def head_of(model: DetectorModel, override: str | None = None) -> Head:
    """Recognise a model's head, by its graph too where its shapes do not tell.

    Raises:
        ModelError: as `head_of_model`.
    """
    return head_of_model(
        model.output_shapes,
        model.class_names,
        model.metadata,
        override,
        size=model.input_shape[2:],
        decoded=lambda output: is_decoded(load_onnx(model.path), output),
    )


def heads_that_fit(model: DetectorModel) -> list[Head]:
    """Every head that a model's outputs can be by their shapes."""
    count = len(model.class_names) if model.class_names else None
    size = model.input_shape[2:]
    return [head for kind in HEADS.values() for head in kind.fit(model.output_shapes, count, size)]


def head_of_model(
    output_shapes: Sequence[Shape],
    class_names: Sequence[str] | None,
    metadata: Mapping[str, str],
    override: str | None = None,
    *,
    size: Size | None = None,
    decoded: Callable[[int], bool] = lambda _: True,
) -> Head:
    """Recognise a model's head.

    Args:
        output_shapes: in graph order.
        class_names: by class index, if the exporter wrote them.
        metadata: of the ONNX file; `task` and `end2end` are read.
        override: the head's kind or import path, from the study file's `head:`.
        size: of the model's input; heads with grids are recognised by it.
        decoded: whether the graph decodes the boxes of the output of this index.

    Raises:
        ModelError: the model is no detector; none or several of its outputs fit; the override is unknown or fits none.
    """
    named = head_named(override) if override is not None else None
    task = metadata.get("task", "detect")
    if task != "detect":
        raise ModelError(f"The model's task is '{task}', but qpareto scores boxes: take a detection model.")
    count = len(class_names) if class_names else None
    if named is not None:
        fits: list[Head] = [*named.fit(output_shapes, count, size)]
    else:
        fits = [head for kind in HEADS.values() for head in kind.fit(output_shapes, count, size)]
        fits = _likeliest(fits, output_shapes, metadata, decoded)
    if len(fits) != 1 and named is not None and named.kind not in HEADS:
        outputs = ", ".join(str(list(shape)) for shape in output_shapes)
        raise ModelError(f"Outputs {outputs} are not those of {override}: its `fit` gives {len(fits)} heads, not one.")
    if len(fits) != 1:
        raise ModelError(_unclear(output_shapes, count, fits))
    return fits[0]


def _likeliest(
    fits: list[Head], shapes: Sequence[Shape], metadata: Mapping[str, str], decoded: Callable[[int], bool]
) -> list[Head]:
    """What is left of the heads that fit, by what else is known of the model."""
    by_kind = {head.kind: head for head in fits}
    for kind in ("picodet", "detr", "nanodet_plus"):  # whose outputs have sizes that belong together
        if kind in by_kind:
            return [head for head in fits if head.kind == kind]
    if {"yolov5", "end2end"} <= by_kind.keys() and metadata.get("end2end") == "True":
        return [by_kind["end2end"]]
    if "yolox" in by_kind:  # a row for each cell: of YOLOX, or decoded by the graph, as YOLOv6 has it
        kind = "yolov5" if decoded(by_kind["yolox"].output) else "yolox"
        return [head for head in fits if head.kind == kind]
    if by_kind.keys() == {"yolov5", "end2end"}:
        kind = "yolov5" if _is_grid(shapes[fits[0].output][1]) else "end2end"
        return [head for head in fits if head.kind == kind]
    return fits


def _unclear(shapes: Sequence[Shape], count: int | None, fits: Sequence[Head]) -> str:
    outputs = ", ".join(str(list(shape)) for shape in shapes)
    known = f" with {count} class names" if count else ""
    names = " and ".join(f"'{head.kind}' (output {head.output})" for head in fits) or "no known head"
    *others, last = (f"{kind} ({head.layout})" for kind, head in HEADS.items())
    return (
        f"Outputs {outputs}{known} fit {names}: export a plain detection model, or set head in the study file to "
        f"{', '.join(others)} or {last}."
    )


def _is_grid(boxes: int) -> bool:
    """Whether a YOLOv5 can have so many boxes: 3 a cell of 3 or 4 grids, each half as fine as the one before."""
    return boxes % (3 * (16 + 4 + 1)) == 0 or boxes % (3 * (64 + 16 + 4 + 1)) == 0


def _of_three(shapes: Sequence[Shape]) -> list[tuple[int, int, int]]:
    """Index, middle and last size of the outputs that have a batch and two more sizes."""
    return [(i, shape[1], shape[2]) for i, shape in enumerate(shapes) if len(shape) == 3]
