"""Classification: an image has one class, and what counts is whether a model's best is that one (top-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .data.dataset import Dataset
from .heads import Detections
from .matcher import Matcher, Matches
from .metrics import TOP1, Metric, Score
from .tasks import CLASSIFY

TOP_1, TOP_5 = range(2)  # the areas of its `Matches`


@dataclass(frozen=True, kw_only=True)
class TopScore(Score):
    """Shares of the images, 0..1.

    Args:
        top1: whose class is the model's best one.
        top5: whose class is among its best five.
        per_class: top1 of a class's own images, by name.
    """

    metric: ClassVar[Metric] = TOP1
    bounded: ClassVar[tuple[str, ...]] = ("top1", "top5")

    top1: float
    top5: float

    @property
    def beside(self) -> dict[str, tuple[float | None, ...]]:
        return {"top-5": (self.top5,)}


class ClassMatcher:
    """Holds a data set's images against what was found in them, one image at a time, in any order."""

    def __init__(self, dataset: Dataset) -> None:
        self._classes = class_of_images(dataset)

    def match(self, image: int, detections: Detections) -> Matches:
        """Of the image at this index: the best class as its only row; none where no score is finite.

        Args:
            detections: all classes, the best first.
        """
        right = detections.classes == self._classes[image]
        best = [[right[:1].any()], [right[:5].any()]]
        rows = slice(min(len(right), 1))
        matched = np.array(best, np.bool_).reshape(2, 1, 1)[..., rows]
        classes, scores = detections.classes[rows], detections.scores[rows].astype(np.float64)
        return Matches(classes, scores, matched, np.zeros_like(matched))


def matcher_of(dataset: Dataset) -> Matcher | ClassMatcher:
    """What holds the data set's images against what was found in them."""
    return ClassMatcher(dataset) if dataset.task is CLASSIFY else Matcher(dataset)


def class_of_images(dataset: Dataset) -> NDArray[np.intp]:
    """[images] the index of each image's class."""
    index_of = {category_id: index for index, category_id in enumerate(dataset.category_ids)}
    by_image = {a["image_id"]: index_of[a["category_id"]] for a in dataset.annotations}
    return np.array([by_image[image.image_id] for image in dataset.images], np.intp)


def score_of_classes(dataset: Dataset, matches: Sequence[Matches]) -> TopScore:
    """Args: matches: one an image, in the data set's order."""
    classes = class_of_images(dataset)
    top1, top5 = (np.array([match.matched[area].any() for match in matches]) for area in (TOP_1, TOP_5))
    named = enumerate(dataset.category_names)
    return TopScore(
        top1=float(top1.mean()),
        top5=float(top5.mean()),
        per_class={name: float(top1[classes == i].mean()) for i, name in named if (classes == i).any()},
    )
