"""A detector's raw outputs turned into what it found: candidates by its head, then non-maximum suppression."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....errors import EngineError
from ....spaces.preprocessing import USUAL, Preprocessing
from ..data.images import Geometry
from ..tasks import DETECT, Task
from .nms import unsuppressed
from .shapes import Shapes

Shape = tuple[int, ...]
Size = tuple[int, int]  # height and width of a model's input, in pixels
Floats = NDArray[np.floating]
Candidates = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]  # corners, scores, classes
Dense = tuple[Floats, Floats]  # corners [n, 4], class scores [n, classes]

SCORE_FLOOR = 0.001
MAX_CANDIDATES = 30_000  # an image, before suppression
MAX_DETECTIONS = 300  # an image, after it


@dataclass(frozen=True)
class Detections:
    """What was found in one image, best score first.

    Args:
        boxes: [k, 4] left, top, right, bottom in pixels.
        scores: [k] in 0..1.
        classes: [k] class indices of the model.
        shapes: [k] masks or key points, where those are the task.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.intp]
    shapes: Shapes | None = None

    def of_rows(self, rows: NDArray[np.intp]) -> Detections:
        """Those at these indices."""
        shapes = self.shapes.of_rows(rows) if self.shapes else None
        return Detections(self.boxes[rows], self.scores[rows], self.classes[rows], shapes)

    def on_image(self, geometry: Geometry) -> Detections:
        """From letterboxed pixels to those of the original image, clipped to it."""
        boxes = geometry.on_image(self.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        shapes = self.shapes.on_image(geometry, self.boxes) if self.shapes else None
        return Detections(boxes, self.scores, self.classes, shapes)


@dataclass(frozen=True)
class Head(ABC):
    """How to read a detector's outputs; one class a kind, see head_kinds.py.

    Args:
        output: index of the output that holds boxes and scores.
        classes: how many; None where an end-to-end model does not say.
    """

    output: int
    classes: int | None

    kind: ClassVar[str]  # its name in study files; the import path of a class that names none
    layout: ClassVar[str]  # of its output, for people
    task: ClassVar[Task] = DETECT
    preprocessing: ClassVar[Preprocessing] = USUAL  # that its family is trained with
    iou_limit: ClassVar[float | None]  # what its family is validated with; None: the model suppresses boxes itself

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "kind" not in vars(cls):
            cls.kind = f"{cls.__module__}:{cls.__qualname__}"

    @classmethod
    @abstractmethod
    def fit(cls, shapes: Sequence[Shape], count: int | None, size: Size | None) -> list[Self]:
        """Every head of this kind that outputs of these shapes can be.

        Args:
            count: the number of classes, if known.
            size: of the model's input, if known.
        """

    def suits(self, metadata: Mapping[str, str]) -> bool:
        """Whether it is what the exporter noted of the model."""
        return True

    def refuse_other(self, key_points: int) -> None:  # noqa: B027 - most heads know none
        """Refuse a data set of another number of key points than the model finds.

        Raises:
            DatasetError: it has one.
        """

    @abstractmethod
    def candidates(self, rows: NDArray[np.float32]) -> Candidates:
        """What scores above the floor in one image: a box once for every class that it scores for."""

    @abstractmethod
    def dense(self, rows: Floats) -> Dense | None:
        """Boxes and class scores of every place of one image's output; None where boxes come sorted, in no place."""

    def table(self, rows: Floats) -> Floats:
        """What of one image's rows tells boxes, scores and classes."""
        return rows

    def shapes(self, rows: NDArray[np.float32], some: NDArray[np.intp]) -> Shapes | None:
        """Masks or key points of some of the candidates of one image, by their indices; None of a task without any."""
        return None

    def read(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """What of a model's outputs the other methods take, an image a row.

        Raises:
            EngineError: it is not among them.
        """
        if len(outputs) <= self.output:
            raise EngineError(
                f"The engine gives {len(outputs)} outputs, but boxes and scores are output {self.output}."
            )
        return outputs[self.output]

    def detections(self, outputs: Sequence[NDArray[np.float32]]) -> list[Detections]:
        """The detections of each image of a batch, in letterboxed pixels.

        Scores above 0.001 count; a box counts once for every class that it scores for, as in the validation of
        YOLOv5 and Ultralytics; overlapping boxes of one class are suppressed unless the model does so; the best 300
        stay. Boxes or scores that are not finite, as a bad quantization can make them, are dropped.
        """
        return self.found_in(self.read(outputs))

    def found_in(self, output: NDArray[np.float32]) -> list[Detections]:
        """As `detections`, of what `read` gave."""
        return [self._detections(rows) for rows in output]

    def _detections(self, rows: NDArray[np.float32]) -> Detections:
        with np.errstate(all="ignore"):  # what overflows is dropped below
            boxes, scores, classes = self.candidates(rows)
        best = np.argsort(-scores, kind="stable")
        best = best[np.isfinite(boxes[best]).all(axis=1) & np.isfinite(scores[best])][:MAX_CANDIDATES]
        if self.iou_limit is not None:
            best = best[unsuppressed(boxes[best], classes[best], self.iou_limit)]
        best = best[:MAX_DETECTIONS]
        return Detections(boxes[best], scores[best], classes[best], self.shapes(rows, best))
