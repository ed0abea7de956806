"""Whether what a float model finds can be what it was trained to find; if not, what is most likely read wrongly.

A head, a channel order or a box format that is read wrongly makes no error: it makes an mAP near 0, and a search over
noise. `FLOOR` lies above all such cases that were tried (0.000 to 0.031), and far below what the weakest detectors that
are published for COCO have (0.20 and more).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .coco import score_matches
from .contact_sheet import Column, Picture, contact_sheet
from .data.dataset import Dataset
from .heads import SCORE_FLOOR, Detections
from .heads.boxes import iou
from .tasks import CLASSIFY
from .top1 import matcher_of

FLOOR = 0.05  # accuracy above chance below which a float model is refused, where nobody says what to expect
SHARE = 0.8  # of what is expected, below which it is
IMAGES = 50  # looked at for the causes
SHOWN = 8  # on the picture

CONFIDENT = 0.1  # score of boxes that count as found
ON_IT = 0.5  # overlap from which a box lies on a labelled one
_SURE = 0.25  # score from which all boxes are drawn; less where fewer are found than are labelled
_FEW, _TINY_PIXELS = 0.1, 2.0  # boxes found for one labelled; the longer side
_PLACED, _MISPLACED = 0.3, 0.1  # share of labelled boxes that something found lies on

HEAD, CHANNELS, SCALING, LABELS, BOXES = "head", "channel order", "scaling", "label order", "box format"
CAUSES = (HEAD, CHANNELS, SCALING, LABELS, BOXES)  # in the order in which they are likely, without evidence

Corners = NDArray[np.float64]


def least_plausible(expected: float | None, *, chance: float = 0.0) -> float:
    """The accuracy below which a float model is refused.

    Args:
        expected: what its owner knows of it, 0..1; None if nothing is said.
        chance: what a model has that sees nothing.
    """
    return chance + FLOOR * (1 - chance) if expected is None else SHARE * expected


def chance_of(dataset: Dataset) -> float:
    """What a model has that sees nothing: of a classifier the share of the commonest class, else none."""
    if dataset.task is not CLASSIFY:
        return 0.0
    counts = Counter(annotation["category_id"] for annotation in dataset.annotations)
    return max(counts.values()) / counts.total()


@dataclass(frozen=True)
class FirstLook:
    """What a float model finds in a few images.

    Args:
        dataset: those images with their true boxes.
        found: one an image, in its pixels.
    """

    dataset: Dataset
    found: Sequence[Detections]

    @property
    def value(self) -> float:
        """Their accuracy, by the task's own metric."""
        matcher = matcher_of(self.dataset)
        matches = [matcher.match(i, found) for i, found in enumerate(self.found)]
        return score_matches(self.dataset, matches).score.value

    def causes(self) -> str:
        """What is most likely read wrongly, in words: what the evidence supports first, then the others in order."""
        found = self._of_labels() if self.dataset.task is CLASSIFY else self._evidence()
        if found is None:
            return f"check, in this order, {_listed(self._causes)}"
        seen, cause = found
        return f"{seen}, so check first the {cause}, then {_listed([c for c in self._causes if c != cause])}"

    @property
    def _causes(self) -> Sequence[str]:
        return [cause for cause in CAUSES if cause not in {HEAD, BOXES}] if self.dataset.task is CLASSIFY else CAUSES

    def _evidence(self) -> tuple[str, str] | None:
        """What is seen, and the cause that it speaks for; None where it speaks for none."""
        boxes, labelled = np.concatenate([b for b, _ in self._confident]), np.concatenate([b for b, _ in self._truths])
        if len(boxes) < _FEW * len(labelled):
            return f"hardly any box is found ({len(boxes)} of a score above {CONFIDENT:g}, {len(labelled)} labelled)", (
                SCALING
            )
        if np.median((boxes[:, 2:] - boxes[:, :2]).max(axis=1)) < _TINY_PIXELS:
            return f"most boxes found are smaller than {_TINY_PIXELS:g} pixels", BOXES
        placed, named = self._placed(self._truths)
        as_corners, _ = self._placed([(_read_as_corners(b), labels) for b, labels in self._truths])
        if as_corners > max(2 * placed, _PLACED):
            return (
                f"boxes found lie on {_percent(as_corners)} of the labelled boxes if those are x1, y1, x2, y2, and on "
                f"{_percent(placed)} if they are x, y, width, height",
                BOXES,
            )
        if placed >= _PLACED and named < placed / 2:
            return f"boxes found lie on {_percent(placed)} of the labelled ones, but with other classes", LABELS
        if placed < _MISPLACED:
            return f"boxes found lie on {_percent(placed)} of the labelled ones only", HEAD
        return None

    def _of_labels(self) -> tuple[str, str] | None:
        """That images of one class are mostly given another one, and those of the next another one again."""
        seen = zip(self._truths, self.found, strict=True)
        pairs = Counter((int(true[0]), int(found.classes[0])) for (_, true), found in seen if len(found.classes))
        most = {true: named for (true, named), _ in reversed(pairs.most_common())}
        agreeing = sum(pairs[pair] for pair in most.items())
        other = [true for true, named in most.items() if named != true]
        if agreeing < pairs.total() / 2 or len(set(most.values())) < len(most) or 2 * len(other) < len(most):
            return None
        return f"{len(other)} of {len(most)} classes are found as another one, each as its own", LABELS

    def picture(self) -> Picture:
        """Eight images, or as many as there are, each twice: boxes labelled, and boxes found. [h, w, 3] BGR."""
        rows = np.unique(np.linspace(0, len(self.found) - 1, SHOWN).round().astype(int)).tolist()
        labelled = [Detections(b.astype(np.float32), np.ones(len(b), np.float32), c) for b, c in self._truths]
        scores = np.sort(np.concatenate([self.found[row].scores for row in rows]))[::-1]
        most = sum(len(labelled[row].scores) for row in rows)
        confidence = float(np.clip(scores[: max(most, 1)].min(initial=_SURE), SCORE_FLOOR, _SURE))

        def sheet(some: list[int]) -> Picture:
            title = f"found, {confidence:.3f} or surer"
            sides = [
                Column(title="labelled", found=[labelled[row] for row in some]),
                Column(title=title, found=[self.found[row] for row in some]),
            ]
            return contact_sheet(self.dataset, some, sides, confidence=confidence)

        half = len(rows) // 2
        return np.hstack([sheet(rows[:half]), sheet(rows[half:])]) if len(rows) == SHOWN else sheet(rows)

    @cached_property
    def _truths(self) -> list[tuple[Corners, NDArray[np.intp]]]:
        """Corners and classes of each image's labelled boxes."""
        by_image: defaultdict[int, list[Any]] = defaultdict(list)
        for annotation in self.dataset.annotations:
            by_image[annotation["image_id"]].append(annotation)
        index = {category: i for i, category in enumerate(self.dataset.category_ids)}
        truths = []
        for image in self.dataset.images:
            entries = by_image[image.image_id]
            boxes = np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            truths.append((boxes, np.array([index[entry["category_id"]] for entry in entries], np.intp)))
        return truths

    @cached_property
    def _confident(self) -> list[tuple[Corners, NDArray[np.intp]]]:
        """Of each image the best boxes found, at most twice as many as are labelled: of very many some lie anywhere."""
        best = []
        for found, (labelled, _) in zip(self.found, self._truths, strict=True):
            count = min(int(np.count_nonzero(found.scores >= CONFIDENT)), 2 * len(labelled))
            best.append((found.boxes[:count].astype(np.float64), found.classes[:count]))
        return best

    def _placed(self, truths: Sequence[tuple[Corners, NDArray[np.intp]]]) -> tuple[float, float]:
        """Share of the labelled boxes that a box found lies on; and one of the same class."""
        placed = named = 0
        for (boxes, classes), (labelled, labels) in zip(self._confident, truths, strict=True):
            if len(boxes) and len(labelled):
                on_it = iou(labelled[:, None], boxes[None]) >= ON_IT
                placed += int(on_it.any(axis=1).sum())
                named += int((on_it & (labels[:, None] == classes[None])).any(axis=1).sum())
        count = max(sum(len(labelled) for labelled, _ in truths), 1)
        return placed / count, named / count


def some_images(dataset: Dataset) -> list[int]:
    """Indices of the images that are looked at: `IMAGES` of those with a labelled box, evenly spread, or all."""
    labelled = {annotation["image_id"] for annotation in dataset.annotations if not annotation["iscrowd"]}
    there = [i for i, image in enumerate(dataset.images) if image.image_id in labelled]
    return [there[i] for i in np.unique(np.linspace(0, len(there) - 1, min(IMAGES, len(there))).round().astype(int))]


def of_images(dataset: Dataset, rows: Sequence[int]) -> Dataset:
    """A data set's images at these indices, in this order, for a look at them: its hash is not theirs."""
    images = tuple(dataset.images[row] for row in rows)
    kept = {image.image_id for image in images}
    boxes = tuple(annotation for annotation in dataset.annotations if annotation["image_id"] in kept)
    return replace(dataset, images=images, annotations=boxes)


def _read_as_corners(boxes: Corners) -> Corners:
    """Corners as they would be if what was read as x, y, width, height is x1, y1, x2, y2."""
    return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)


def _listed(causes: Sequence[str]) -> str:
    *others, last = causes
    return f"{', '.join(others)} and {last}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
