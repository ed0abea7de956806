"""Which detections of an image hit a true object, by COCO's rules, image by image."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .data.dataset import Dataset
from .heads import Detections
from .truths import Truths, truths_of


@dataclass(frozen=True)
class Matches:
    """Detections at the task's A areas and T thresholds of overlap.

    Args:
        classes: [D] class indices, ascending.
        scores: [D] of each class the best first; of one image and class at most `Task.most`.
        matched: [A, T, D] whether a true box was hit.
        ignored: [A, T, D] whether the detection counts neither as right nor as wrong.
    """

    classes: NDArray[np.intp]
    scores: NDArray[np.float64]
    matched: NDArray[np.bool_]
    ignored: NDArray[np.bool_]


class Matcher:
    """Matches the detections of a data set's images, one image at a time, in any order and by any thread.

    Gives what pycocotools' `evaluateImg` gives, for all areas and thresholds at once.
    """

    def __init__(self, dataset: Dataset) -> None:
        from pycocotools.cocoeval import Params

        self._task = dataset.task
        self._iou_thresholds: NDArray[np.float64] = Params(self._task.iou_type).iouThrs
        index_of = {category_id: index for index, category_id in enumerate(dataset.category_ids)}
        annotations = defaultdict(list)
        for annotation in dataset.annotations:
            annotations[annotation["image_id"]].append(annotation)
        self._truths = [truths_of(self._task, annotations[image.image_id], index_of) for image in dataset.images]
        self._scored_classes = np.unique(np.concatenate([truths.classes for truths in self._truths]))

    def match(self, image: int, detections: Detections) -> Matches:
        """The matches of the image at this index of the data set.

        Args:
            detections: in pixels of the original image. Those of classes that the whole data set lacks are left out.
        """
        kept = _best_of_each_class(detections, self._scored_classes, most=self._task.most)
        found, truths, areas = detections.of_rows(kept), self._truths[image], self._task.area_ranges
        smallest, largest = areas.T[:, :, None]  # [A, 1]
        size = truths.sizes(found)
        shape = len(areas), len(self._iou_thresholds), len(kept)
        matched, ignored = np.zeros(shape, np.bool_), np.empty(shape, np.bool_)
        ignored[:] = ((size < smallest) | (size > largest))[:, None]
        ious = truths.overlaps(found)
        # Most detections come near no true box; the others choose one after the other.
        near = np.flatnonzero((ious >= self._iou_thresholds[0]).any(axis=1))
        if len(near):
            hits, ignores = _choices(ious[near], truths, self._iou_thresholds)
            matched[:, :, near] = hits
            ignored[:, :, near] = np.where(hits, ignores, ignored[:, :, near])
        return Matches(found.classes, found.scores.astype(np.float64), matched, ignored)


def _choices(
    ious: NDArray[np.float64], truths: Truths, iou_thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each detection hits a true box, and whether it is one that counts for nothing: both [A, T, D].

    The best score chooses first, among the true boxes of its class that reach the threshold and are not taken: one
    that counts rather than one that does not, then the one that overlaps most, and of equal ones the last.

    Args:
        ious: [D, G], of each class the best score first.
    """
    areas, thresholds, found, true = len(truths.ignored), len(iou_thresholds), *ious.shape
    # A choice's rank, 0 if it is none: by whether it counts, then by overlap; equal ones keep their order.
    by_overlap = np.argsort(np.argsort(ious, axis=1, kind="stable"), axis=1) + 1
    ranks = by_overlap[:, None] + true * ~truths.ignored  # [D, A, G]
    reached = ious[:, None] >= iou_thresholds[:, None]  # [D, T, G]
    ranks = (ranks[:, :, None] * reached[:, None]).reshape(found, areas * thresholds, true)
    free = np.ones((areas * thresholds, true), np.bool_)
    rows = np.arange(areas * thresholds)
    choice = np.empty((found, areas * thresholds), np.intp)
    hits = np.empty((found, areas * thresholds), np.bool_)
    for i in range(found):
        open_to = ranks[i] * free
        choice[i] = open_to.argmax(axis=1)
        hits[i] = open_to[rows, choice[i]] > 0
        free[rows, choice[i]] &= truths.crowd[choice[i]] | ~hits[i]
    ignores = truths.ignored[rows // thresholds, choice]
    return hits.T.reshape(areas, thresholds, found), ignores.T.reshape(areas, thresholds, found)


def _best_of_each_class(detections: Detections, scored_classes: NDArray[np.intp], *, most: int) -> NDArray[np.intp]:
    """Indices of at most so many detections of each scored class, by class, then by falling score."""
    order = np.lexsort((-detections.scores, detections.classes))
    classes = detections.classes[order]
    rank = np.arange(len(order)) - np.searchsorted(classes, classes)
    return order[(rank < most) & np.isin(classes, scored_classes)]
