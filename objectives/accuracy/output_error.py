"""How far a detector's raw outputs are from those of the float model: boxes and scores apart, no labels needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .heads import SCORE_FLOOR, Dense, Floats, Head
from .heads.boxes import iou
from .heads.shaped_heads import ShapedHead

SHAPES = 64  # boxes of an image whose masks or key points are compared


@dataclass(frozen=True)
class OutputError:
    """Compares outputs of a quantized model with those of the float one on the same images.

    Every box that the float model scores above 0.001 counts, by its confidence: its best class score c. Its box error
    is 1 - IoU of both models' boxes, its score error the largest change of any of its class scores; both lie in 0..1,
    and what is not finite has error 1. Boxes are paired by their place in the outputs; those of an end-to-end head,
    which come sorted, by the best overlap within their class, and one that has none has both errors 1 and c. Of the 64
    surest boxes the box error is that of their masks (1 - IoU) or key points (`Shapes.apart`), if it is greater.
    """

    head: Head

    def __call__(self, reference: Sequence[Floats], outputs: Sequence[Floats]) -> NDArray[np.float64]:
        """Weighted errors of each image.

        Returns:
            [batch, 3]: sum of c x box error, sum of c x score error, sum of c. All 0 where nothing is confident.
        """
        pairs = zip(self.head.read(reference), self.head.read(outputs), strict=True)
        return np.stack([self._of_image(wanted, found) for wanted, found in pairs])

    def _of_image(self, wanted: Floats, found: Floats) -> NDArray[np.float64]:
        one, two = wanted.astype(np.float64), found.astype(np.float64)
        with np.errstate(all="ignore"):  # a bad quantization overflows
            dense, other = self.head.dense(one), self.head.dense(two)
            if dense is None or other is None:
                pairs = _sorted(self.head.table(one), self.head.table(two))
            else:
                pairs = _placed(dense, other)
            box = np.maximum(pairs.box_error, self._shape_error(wanted, found, pairs))
        bounded = (np.clip(np.nan_to_num(error, nan=1.0), 0.0, 1.0) for error in (box, pairs.score_error))
        return np.array([*(pairs.confidence @ error for error in bounded), pairs.confidence.sum()])

    def _shape_error(self, wanted: Floats, found: Floats, pairs: _Pairs) -> Floats:
        """Of the surest boxes, whose masks or key points are compared; 0 of the others, and without any."""
        errors = np.zeros(len(pairs.confidence))
        if isinstance(self.head, ShapedHead):
            surest = np.argsort(-pairs.confidence, kind="stable")[:SHAPES]
            one = self.head.shapes_at(wanted, pairs.places[surest])
            other = self.head.shapes_at(found, pairs.others[surest])
            errors[surest] = one.apart(other, pairs.boxes[surest], pairs.other_boxes[surest])
        return errors


class _Pairs(NamedTuple):
    """Boxes of the float model and of the other: their places, corners, the former's confidence, and both errors."""

    places: NDArray[np.intp]
    others: NDArray[np.intp]
    boxes: Floats
    other_boxes: Floats
    confidence: Floats
    box_error: Floats
    score_error: Floats


def _placed(wanted: Dense, found: Dense) -> _Pairs:
    (boxes, scores), (other_boxes, other_scores) = wanted, found
    confidence = scores.max(axis=1)
    some = np.flatnonzero(confidence > SCORE_FLOOR)
    boxes, other_boxes = boxes[some], other_boxes[some]
    change = np.abs(other_scores[some] - scores[some]).max(axis=1)
    return _Pairs(some, some, boxes, other_boxes, confidence[some], 1 - iou(boxes, other_boxes), change)


def _sorted(wanted: Floats, found: Floats) -> _Pairs:
    """For rows of corners, score, class."""
    some = np.flatnonzero(wanted[:, 4] > SCORE_FLOOR)
    wanted = wanted[some]
    overlap = np.nan_to_num(iou(wanted[:, None, :4], found[None, :, :4]))
    overlap[wanted[:, None, 5] != found[None, :, 5]] = 0
    best = overlap.argmax(axis=1)
    overlaps = overlap[np.arange(len(wanted)), best]
    score = np.where(overlaps > 0, found[best, 4], 0)
    change = np.abs(score - wanted[:, 4])
    return _Pairs(some, best, wanted[:, :4], found[best, :4], wanted[:, 4], 1 - overlaps, change)
