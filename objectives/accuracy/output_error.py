"""How far a detector's raw outputs are from those of the float model: boxes and scores apart, no labels needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .boxes import iou
from .heads import SCORE_FLOOR, Dense, Floats, Head


@dataclass(frozen=True)
class OutputError:
    """Compares outputs of a quantized model with those of the float one on the same images.

    Every box that the float model scores above 0.001 counts, by its confidence: its best class score c. Its box error
    is 1 - IoU of both models' boxes, its score error the largest change of any of its class scores; both lie in 0..1,
    and what is not finite has error 1. Boxes are paired by their place in the outputs; those of an end-to-end head,
    which come sorted, by the best overlap within their class, and one that has none has both errors 1 and c.
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
        wanted, found = wanted.astype(np.float64), found.astype(np.float64)
        with np.errstate(all="ignore"):  # a bad quantization overflows
            dense, other = self.head.dense(wanted), self.head.dense(found)
            errors = _sorted_errors(wanted, found) if dense is None or other is None else _paired_errors(dense, other)
        confidence, box, score = errors
        bounded = (np.clip(np.nan_to_num(error, nan=1.0), 0.0, 1.0) for error in (box, score))
        return np.array([*(confidence @ error for error in bounded), confidence.sum()])


def _paired_errors(wanted: Dense, found: Dense) -> tuple[Floats, Floats, Floats]:
    (boxes, scores), (other_boxes, other_scores) = wanted, found
    confidence = scores.max(axis=1)
    some = np.flatnonzero(confidence > SCORE_FLOOR)
    change = np.abs(other_scores[some] - scores[some]).max(axis=1)
    return confidence[some], 1 - iou(boxes[some], other_boxes[some]), change


def _sorted_errors(wanted: Floats, found: Floats) -> tuple[Floats, Floats, Floats]:
    """For rows of corners, score, class."""
    wanted = wanted[wanted[:, 4] > SCORE_FLOOR]
    overlap = np.nan_to_num(iou(wanted[:, None, :4], found[None, :, :4]))
    overlap[wanted[:, None, 5] != found[None, :, 5]] = 0
    best = overlap.argmax(axis=1)
    overlaps = overlap[np.arange(len(wanted)), best]
    score = np.where(overlaps > 0, found[best, 4], 0)
    return wanted[:, 4], 1 - overlaps, np.abs(score - wanted[:, 4])
