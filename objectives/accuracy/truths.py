"""The true objects of one image, and how far what was found overlaps them, by the task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data.labelled_shapes import counts
from .heads import Detections
from .heads.shapes import KeyPoints, Masks
from .tasks import POSE, SEGMENT, Task

Floats = NDArray[np.float64]
Annotation = Mapping[str, Any]
COCO_KEY_POINTS = 17  # a person's


@dataclass(frozen=True)
class Truths(ABC):
    """Args: classes: [G] class indices.

    crowd: [G] whether it stands for many, which it may all match.
    ignored: [A, G] whether matching it counts for nothing: it is not to be found, or of another size than the area's.
    """

    classes: NDArray[np.intp]
    crowd: NDArray[np.bool_]
    ignored: NDArray[np.bool_]

    @abstractmethod
    def overlaps(self, found: Detections) -> Floats:
        """[D, G] as pycocotools has them, in 0..1; 0 where the classes differ.

        Args:
            found: [D], in pixels of the image.
        """

    @abstractmethod
    def sizes(self, found: Detections) -> Floats:
        """[D] by which a detection belongs to an area."""

    def _of_class(self, found: Detections) -> NDArray[np.bool_]:
        """[D, G]."""
        same: NDArray[np.bool_] = found.classes[:, None] == self.classes
        return same


@dataclass(frozen=True)
class BoxTruths(Truths):
    """Args: boxes: [G, 4] left, top, width, height."""

    boxes: Floats

    def overlaps(self, found: Detections) -> Floats:
        from pycocotools.mask import iou

        if not (len(found.scores) and len(self.classes)):
            return np.zeros((len(found.scores), len(self.classes)))
        overlaps: Floats = iou(coco_boxes(found.boxes), self.boxes, self.crowd.tolist())
        return np.where(self._of_class(found), overlaps, 0)

    def sizes(self, found: Detections) -> Floats:
        size: Floats = coco_boxes(found.boxes)[:, 2:].prod(axis=1)
        return size


@dataclass(frozen=True)
class MaskTruths(Truths):
    """Args: masks: of each a run-length code, as pycocotools has it; most images are never asked for all of them."""

    masks: tuple[Mapping[str, Any], ...]

    def overlaps(self, found: Detections) -> Floats:
        from pycocotools.mask import decode

        drawn, pairs = _masks(found), self._of_class(found)
        areas, overlaps = drawn.areas, np.zeros(pairs.shape)
        for column in np.flatnonzero(pairs.any(axis=0)).tolist():
            truth = decode(self.masks[column]).astype(np.bool_)
            for row in np.flatnonzero(pairs[:, column]).tolist():
                shared = drawn.shared(row, truth)
                whole = areas[row] if self.crowd[column] else areas[row] + np.count_nonzero(truth) - shared
                overlaps[row, column] = shared / whole if shared else 0
        return overlaps

    def sizes(self, found: Detections) -> Floats:
        return _masks(found).areas


@dataclass(frozen=True)
class KeyPointTruths(Truths):
    """Key points, whose overlap is COCO's object key-point similarity (https://cocodataset.org/#keypoints-eval).

    Args:
        points: [G, K, 3] x, y and visibility; 0 of what is not labelled.
        boxes: [G, 4] left, top, width, height.
        areas: [G] square pixels, which the distances are measured by.
    """

    points: Floats
    boxes: Floats
    areas: Floats

    def overlaps(self, found: Detections) -> Floats:
        ours, pairs = _points(found), self._of_class(found)
        if not pairs.size:
            return np.zeros(pairs.shape)
        if ours.shape[1] != self.points.shape[1]:
            raise ValueError(f"{ours.shape[1]} key points were found, but {self.points.shape[1]} are labelled")
        labelled: NDArray[np.bool_] = self.points[..., 2] > 0  # [G, K]
        none: NDArray[np.bool_] = np.logical_not(labelled.any(axis=1))
        off = np.where(none[:, None, None], self._outside(ours), ours[:, None] - self.points[..., :2])  # [D, G, K, 2]
        variances = (2 * sigmas(ours.shape[1])) ** 2
        error = (off**2).sum(axis=-1) / variances / (self.areas + np.spacing(1))[:, None] / 2
        counted = labelled | none[:, None]
        similar = np.where(counted, np.exp(-error), 0).sum(axis=-1) / counted.sum(axis=1)
        return np.where(pairs, similar, 0)

    def sizes(self, found: Detections) -> Floats:
        """Of the box around the points."""
        points = _points(found)
        size: Floats = (points.max(axis=1) - points.min(axis=1)).prod(axis=1)
        return size

    def _outside(self, points: Floats) -> Floats:
        """[D, G, K, 2] how far points lie outside of a box three times as wide and high as the truth's."""
        corner, size = self.boxes[:, None, :2], self.boxes[:, None, 2:]
        low, high = corner - size, corner + 2 * size
        return np.maximum(low - points[:, None], 0) + np.maximum(points[:, None] - high, 0)


def sigmas(count: int) -> Floats:
    """[count] COCO's of a person's 17 points; of any other number each 1 / count, as Ultralytics takes them."""
    from pycocotools.cocoeval import Params

    if count == COCO_KEY_POINTS:
        return np.array(Params("keypoints").kpt_oks_sigmas, np.float64)
    return np.full(count, 1 / count)


def truths_of(task: Task, annotations: Sequence[Annotation], index_of: Mapping[int, int]) -> Truths:
    """Those of one image.

    Args:
        annotations: as in `Dataset`.
        index_of: class index by category id.
    """
    classes = np.array([index_of[a["category_id"]] for a in annotations], np.intp)
    crowd = np.array([a["iscrowd"] for a in annotations], np.bool_)
    uncounted = np.array([not counts(a) for a in annotations], np.bool_)
    areas = np.array([a["area"] for a in annotations], np.float64)
    smallest, largest = task.area_ranges.T[:, :, None]
    common = classes, crowd, uncounted | (areas < smallest) | (areas > largest)
    if task is SEGMENT:
        return MaskTruths(*common, tuple(a["segmentation"] for a in annotations))
    boxes = np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4)
    if task is POSE:
        points = [np.array(a["keypoints"], np.float64).reshape(-1, 3) for a in annotations]
        return KeyPointTruths(*common, np.array(points), boxes, areas)
    return BoxTruths(*common, boxes)


def coco_boxes(corners: NDArray[np.float32]) -> Floats:
    """[k, 4] left, top, right, bottom to left, top, width, height."""
    wide = corners.astype(np.float64)
    return np.concatenate((wide[:, :2], wide[:, 2:] - wide[:, :2]), axis=1)


def _masks(found: Detections) -> Masks:
    assert isinstance(found.shapes, Masks)  # the head is of the task
    return found.shapes


def _points(found: Detections) -> Floats:
    assert isinstance(found.shapes, KeyPoints)  # the head is of the task
    return found.shapes.points[..., :2].astype(np.float64)
