"""Which detections of an image hit a true box: pycocotools' own matching, image by image."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .heads import Detections

MAX_DETECTIONS = 100  # an image and class, by COCO's rule


@dataclass(frozen=True)
class Matches:
    """Detections at COCO's A areas (all, small, medium, large) and T IoU thresholds.

    Args:
        classes: [D] class indices, ascending.
        scores: [D] of each class the best first; of one image and class at most 100.
        matched: [A, T, D] whether a true box was hit.
        ignored: [A, T, D] whether the detection counts neither as right nor as wrong.
    """

    classes: NDArray[np.intp]
    scores: NDArray[np.float64]
    matched: NDArray[np.bool_]
    ignored: NDArray[np.bool_]


class Matcher:
    """Matches the detections of a data set's images, one image at a time and in any order.

    pycocotools spends its time on pairs that cannot meet; here it is asked only about classes that an image truly
    has, and only about detections that reach the lowest IoU threshold with some true box of theirs. The others are
    unmatched at every threshold, which is what it would answer.
    """

    def __init__(self, dataset: Dataset) -> None:
        from pycocotools.cocoeval import Params

        params = Params("bbox")
        self._areas: list[list[float]] = params.areaRng
        self._iou_thresholds: NDArray[np.float64] = params.iouThrs
        self._image_ids = [image.image_id for image in dataset.images]
        index_of = {category_id: index for index, category_id in enumerate(dataset.category_ids)}
        self._truths: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
        for annotation in dataset.annotations:
            key = annotation["image_id"], index_of[annotation["category_id"]]
            # A copy, since pycocotools writes into it; `ignore` is what its own _prepare adds.
            self._truths[key].append({**annotation, "ignore": annotation["iscrowd"]})
        self._scored_classes = np.unique([index for _, index in self._truths])

    def match(self, image: int, detections: Detections) -> Matches:
        """The matches of the image at this index of the data set.

        Args:
            detections: in pixels of the original image. Those of classes that the whole data set lacks are left out.
        """
        kept = _best_of_each_class(detections, self._scored_classes)
        classes, scores = detections.classes[kept], detections.scores[kept].astype(np.float64)
        boxes = coco_boxes(detections.boxes[kept])
        smallest, largest = np.array(self._areas).T[:, :, None, None]  # [A, 1, 1]
        size = boxes[:, 2] * boxes[:, 3]
        matched = np.zeros((len(self._areas), len(self._iou_thresholds), len(kept)), np.bool_)
        ignored = matched | (size < smallest) | (size > largest)
        for index in np.unique(classes):
            if truths := self._truths.get((self._image_ids[image], int(index))):
                columns = np.flatnonzero(classes == index)
                near, hits, ignores = self._match_class(truths, boxes[columns], scores[columns])
                matched[:, :, columns[near]], ignored[:, :, columns[near]] = hits, ignores
        return Matches(classes, scores, matched, ignored)

    def _match_class(
        self, truths: list[dict[str, Any]], boxes: NDArray[np.float64], scores: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]:
        """Indices of the detections that come near a true box; whether they hit, and whether they are ignored."""
        from pycocotools.cocoeval import COCOeval

        evaluator, pair = COCOeval(iouType="bbox"), (0, 0)
        rows = zip(boxes.tolist(), scores.tolist(), strict=True)
        found = [
            {"id": i, "bbox": box, "area": box[2] * box[3], "score": s} for i, (box, s) in enumerate(rows, start=1)
        ]
        evaluator._gts[pair], evaluator._dts[pair] = truths, found
        ious = evaluator.computeIoU(*pair)
        near = np.flatnonzero((ious >= self._iou_thresholds[0]).any(axis=1))
        evaluator._dts[pair], evaluator.ious[pair] = [found[i] for i in near], ious[near]
        results = [evaluator.evaluateImg(*pair, area, MAX_DETECTIONS) for area in self._areas]
        hits = np.stack([result["dtMatches"] for result in results]) > 0
        return near, hits, np.stack([result["dtIgnore"] for result in results])


def coco_boxes(corners: NDArray[np.float32]) -> NDArray[np.float64]:
    """[k, 4] left, top, right, bottom to left, top, width, height."""
    wide = corners.astype(np.float64)
    return np.concatenate((wide[:, :2], wide[:, 2:] - wide[:, :2]), axis=1)


def _best_of_each_class(detections: Detections, scored_classes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Indices of at most 100 detections of each scored class, by class, then by falling score."""
    order = np.lexsort((-detections.scores, detections.classes))
    classes = detections.classes[order]
    rank = np.arange(len(order)) - np.searchsorted(classes, classes)
    return order[(rank < MAX_DETECTIONS) & np.isin(classes, scored_classes)]
