"""A detector's raw outputs turned into boxes: which head it has, its boxes and scores, non-maximum suppression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from .images import Geometry
from .nms import unsuppressed

F = TypeVar("F", bound=np.floating)
HeadKind = Literal["yolov8", "yolov5", "end2end"]

SCORE_FLOOR = 0.001
MAX_CANDIDATES = 30_000  # an image, before suppression
MAX_DETECTIONS = 300  # an image, after it
IOU_LIMIT: Mapping[HeadKind, float] = {"yolov8": 0.7, "yolov5": 0.6}  # what each family is validated with


@dataclass(frozen=True)
class Detections:
    """What was found in one image, best score first.

    Args:
        boxes: [k, 4] left, top, right, bottom in pixels.
        scores: [k] in 0..1.
        classes: [k] class indices of the model.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.intp]

    def on_image(self, geometry: Geometry) -> Detections:
        """From letterboxed pixels to those of the original image, clipped to it."""
        pad = np.array([geometry.pad_x, geometry.pad_y] * 2, np.float32)
        size = np.array([geometry.width, geometry.height] * 2, np.float32)
        boxes = np.clip((self.boxes - pad) / np.float32(geometry.scale), 0, size)
        return Detections(boxes, self.scores, self.classes)


@dataclass(frozen=True)
class Head:
    """How to read a detector's outputs.

    Args:
        kind: 'yolov8' [batch, 4 + classes, boxes] (YOLOv8, 9, 11, 12): centre, size, class scores;
            'yolov5' [batch, boxes, 5 + classes]: centre, size, objectness, class scores;
            'end2end' [batch, boxes, 6]: corners, score, class, already suppressed.
        output: index of the output that holds them.
        classes: how many; None where an end-to-end model does not say.
    """

    kind: HeadKind
    output: int
    classes: int | None

    def detections(self, outputs: Sequence[NDArray[np.float32]]) -> list[Detections]:
        """The detections of each image of a batch, in letterboxed pixels.

        Scores above 0.001 count; a box counts once for every class that it scores for, as in the validation of
        YOLOv5 and Ultralytics; overlapping boxes of one class are suppressed except for 'end2end'; the best 300 stay.
        Boxes or scores that are not finite, as a bad quantization can make them, are dropped.
        """
        return [self._detections(rows) for rows in outputs[self.output]]

    def _detections(self, rows: NDArray[np.float32]) -> Detections:
        with np.errstate(all="ignore"):  # what overflows is dropped below
            boxes, scores, classes = _CANDIDATES[self.kind](rows)
        best = np.argsort(-scores, kind="stable")
        best = best[np.isfinite(boxes[best]).all(axis=1) & np.isfinite(scores[best])][:MAX_CANDIDATES]
        if self.kind in IOU_LIMIT:
            best = best[unsuppressed(boxes[best], classes[best], IOU_LIMIT[self.kind])]
        best = best[:MAX_DETECTIONS]
        return Detections(boxes[best], scores[best], classes[best])


def head_of_model(
    output_shapes: Sequence[tuple[int, ...]],
    class_names: Sequence[str] | None,
    metadata: Mapping[str, str],
    override: str | None = None,
) -> Head:
    """Recognise a model's head by the shapes of its outputs and what its exporter wrote.

    Args:
        output_shapes: in graph order.
        class_names: by class index, if the exporter wrote them.
        metadata: of the ONNX file; `task` and `end2end` are read.
        override: the head's kind, from the study file's `head:`.

    Raises:
        ModelError: the model is no detector; none or several of its outputs fit; the override is unknown or fits none.
    """
    if override is not None and override not in get_args(HeadKind):
        raise ModelError(f"There is no head '{override}': set head to one of {', '.join(get_args(HeadKind))}.")
    task = metadata.get("task", "detect")
    if task != "detect":
        raise ModelError(f"The model's task is '{task}', but qpareto scores boxes: take a detection model.")
    count = len(class_names) if class_names else None
    fits = [head for i, shape in enumerate(output_shapes) for head in _heads_that_fit(i, shape, count)]
    if override is not None:
        fits = [head for head in fits if head.kind == override]
    elif {head.kind for head in fits} == {"end2end", "yolov5"}:
        end2end = metadata.get("end2end") == "True" or not _is_grid(output_shapes[fits[0].output][1])
        fits = [head for head in fits if (head.kind == "end2end") == end2end]
    if len(fits) != 1:
        shapes = ", ".join(str(list(shape)) for shape in output_shapes)
        known = f" with {count} class names" if count else ""
        names = " and ".join(f"'{head.kind}' (output {head.output})" for head in fits) or "no known head"
        raise ModelError(
            f"Outputs {shapes}{known} fit {names}: export a plain detection model, or set head in the study file to "
            "yolov8 ([batch, 4 + classes, boxes]), yolov5 ([batch, boxes, 5 + classes]) or end2end ([batch, boxes, 6])."
        )
    return fits[0]


def _heads_that_fit(output: int, shape: tuple[int, ...], count: int | None) -> list[Head]:
    """Everything that an output of this shape can be; `count` is the number of classes, if that is known."""
    if len(shape) != 3:
        return []
    _, middle, last = shape
    fits = []
    if last == 6:
        fits.append(Head("end2end", output, count))
    if 6 <= last < middle and count in (None, last - 5):
        fits.append(Head("yolov5", output, last - 5))
    if 5 <= middle < last and count in (None, middle - 4):
        fits.append(Head("yolov8", output, middle - 4))
    return fits


def _is_grid(boxes: int) -> bool:
    """Whether a YOLOv5 can have so many boxes: 3 a cell of 3 or 4 grids, each half as fine as the one before."""
    return boxes % (3 * (16 + 4 + 1)) == 0 or boxes % (3 * (64 + 16 + 4 + 1)) == 0


Candidates = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]  # boxes, scores, classes


def _yolov8_candidates(rows: NDArray[np.float32]) -> Candidates:
    classes, boxes = np.divmod(np.flatnonzero(rows[4:] > SCORE_FLOOR), rows.shape[1])
    return corners(rows[:4, boxes].T), rows[4 + classes, boxes], classes


def _yolov5_candidates(rows: NDArray[np.float32]) -> Candidates:
    rows = rows[rows[:, 4] > SCORE_FLOOR]
    scores = rows[:, 5:] * rows[:, 4:5]
    boxes, classes = np.divmod(np.flatnonzero(scores > SCORE_FLOOR), scores.shape[1])
    return corners(rows[boxes, :4]), scores[boxes, classes], classes


def _end2end_candidates(rows: NDArray[np.float32]) -> Candidates:
    rows = rows[(rows[:, 4] > SCORE_FLOOR) & np.isfinite(rows).all(axis=1)]
    return rows[:, :4], rows[:, 4], rows[:, 5].astype(np.intp)


_CANDIDATES: Mapping[HeadKind, Callable[[NDArray[np.float32]], Candidates]] = {
    "yolov8": _yolov8_candidates,
    "yolov5": _yolov5_candidates,
    "end2end": _end2end_candidates,
}


def corners(boxes: NDArray[F]) -> NDArray[F]:
    """[k, 4] centre and size to left, top, right, bottom."""
    half = boxes[:, 2:] / 2
    return np.concatenate((boxes[:, :2] - half, boxes[:, :2] + half), axis=1)
