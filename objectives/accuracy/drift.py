"""Detections drift: what an engine's mAP hides when it takes the reference's place.

mAP averages over every confidence, class and image. Whoever exchanges one engine for the other has set one confidence,
cares for some classes, and meets single images. So this tells, from the kept matches of both engines:

- the F1 curve over the confidence, as Ultralytics draws it (the mean over classes at IoU 0.5), its best confidence on
  either side, and what is left of F1 where the confidence stays at what suits the reference best;
- what each class and each size of object loses, classes with an interval: of 80 some always lose by chance;
- the images whose detections changed most at that confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..interval import Interval
from .bootstrap import accuracy_difference
from .coco import Accuracy, MatchTable
from .data.dataset import Dataset

CONFIDENCES = tuple(i / 100 for i in range(1, 100))
MOST_CHANGED = 12  # images that are told

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ConfidenceShift:
    """F1 over the confidence from which a detection counts, 0..1: the mean over classes, at IoU 0.5.

    Args:
        f1, reference_f1: one value for each of `CONFIDENCES`.
        best, reference_best: the confidence with the highest F1, of equals the lowest.
        best_f1, reference_best_f1: F1 there.
        f1_kept: F1 of this engine at `reference_best`: where only the engine is exchanged.
    """

    f1: tuple[float, ...]
    reference_f1: tuple[float, ...]
    best: float
    reference_best: float
    best_f1: float
    reference_best_f1: float
    f1_kept: float


@dataclass(frozen=True, kw_only=True)
class PartDrift:
    """AP50-95, 0..1, of one class or of one of COCO's sizes of objects.

    Args:
        name: of the class; or `small`, `medium`, `large`.
        change_ci: 95 % interval of `ap` less `reference_ap` by the paired bootstrap; None of a size.
        truths: true boxes; None of a size.
    """

    name: str
    ap: float
    reference_ap: float
    change_ci: tuple[float, float] | None = None
    truths: int | None = None

    @property
    def change(self) -> float:
        """Below 0: this engine is worse."""
        return self.ap - self.reference_ap


class Counts(NamedTuple):
    """Of one image: detections that hit a true box at IoU 0.5, true boxes that none hits, and detections beside any."""

    hits: int
    misses: int
    false_alarms: int


@dataclass(frozen=True, kw_only=True)
class ImageDrift:
    """One image, at the confidence that suits the reference best.

    Args:
        index: in the data set's order.
        file_name: without its folder.
        f1_change: F1 of all classes together, the mean over IoU 0.50 to 0.95, less the reference's: -1..1.
    """

    index: int
    file_name: str
    f1_change: float
    counts: Counts
    reference_counts: Counts


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How an engine's detections differ from the reference's on the same images.

    Args:
        classes: those that have true boxes, the greatest loss first.
        sizes: those that there are, in COCO's order.
        images: the at most 12 that changed most, the greatest change first, losses before gains.
        images_changed: how many changed at all, of `images_seen`.
    """

    confidence: ConfidenceShift
    classes: tuple[PartDrift, ...]
    sizes: tuple[PartDrift, ...]
    images: tuple[ImageDrift, ...]
    images_changed: int
    images_seen: int


def drift_of(candidate: Accuracy, reference: Accuracy, dataset: Dataset) -> Drift:
    """How the candidate's detections differ from the reference's.

    Args:
        dataset: the images that both were scored on, with the model's order of classes.

    Raises:
        ValueError: the matches are of another data set.
    """
    tables = one, other = candidate.matches, reference.matches
    shape = len(dataset.images), len(dataset.category_names)
    if not np.array_equal(one.truths, other.truths) or one.truths.shape != shape:
        raise ValueError(f"the matches are not of {dataset.name}, or not both")
    shift = _confidence_shift(*tables)
    changes = _image_f1(one, shift.reference_best) - _image_f1(other, shift.reference_best)
    ranked = np.lexsort((np.arange(len(changes)), changes, -np.abs(changes)))
    counts = [_image_counts(table, shift.reference_best) for table in tables]
    return Drift(
        confidence=shift,
        classes=_class_drifts(candidate, reference, dataset.category_names),
        sizes=_size_drifts(candidate, reference),
        images=tuple(
            ImageDrift(
                index=int(i),
                file_name=dataset.images[i].path.name,
                f1_change=float(changes[i]),
                counts=counts[0][i],
                reference_counts=counts[1][i],
            )
            for i in ranked[:MOST_CHANGED]
            if changes[i]
        ),
        images_changed=int(np.count_nonzero(changes)),
        images_seen=len(changes),
    )


def f1_of_confidences(table: MatchTable, confidences: Sequence[float] = CONFIDENCES) -> Floats:
    """F1 where detections count from each confidence on: the mean over classes that have true boxes, at IoU 0.5.

    Of one class it is 2 * hits / (counted detections + true boxes).

    Args:
        confidences: ascending, 0..1.

    Returns:
        [confidences] in 0..1.
    """
    truths = table.truths.sum(axis=0)
    there = np.flatnonzero(truths)
    shape = len(confidences) + 1, len(truths)
    hits, judged = np.zeros(shape), np.zeros(shape)
    steps = np.searchsorted(confidences, table.scores, side="right")  # how many confidences a detection reaches
    np.add.at(hits, (steps, table.classes), table.correct[0])
    np.add.at(judged, (steps, table.classes), table.counted[0])
    reached_hits, reached = (_from_the_end(counts)[1:, there] for counts in (hits, judged))
    found: Floats = (2 * reached_hits / (reached + truths[there])).mean(axis=1)
    return found


def _from_the_end(counts: Floats) -> Floats:
    return np.cumsum(counts[::-1], axis=0)[::-1]


def _confidence_shift(candidate: MatchTable, reference: MatchTable) -> ConfidenceShift:
    f1, reference_f1 = f1_of_confidences(candidate), f1_of_confidences(reference)
    best, reference_best = int(f1.argmax()), int(reference_f1.argmax())
    return ConfidenceShift(
        f1=tuple(f1.tolist()),
        reference_f1=tuple(reference_f1.tolist()),
        best=CONFIDENCES[best],
        reference_best=CONFIDENCES[reference_best],
        best_f1=float(f1[best]),
        reference_best_f1=float(reference_f1[reference_best]),
        f1_kept=float(f1[reference_best]),
    )


def _class_drifts(candidate: Accuracy, reference: Accuracy, names: Sequence[str]) -> tuple[PartDrift, ...]:
    found = []
    for index, name in enumerate(names):
        if name not in reference.score.per_class:
            continue
        change = accuracy_difference(*(_of_class(one.matches, index) for one in (candidate, reference)))
        found.append(
            PartDrift(
                name=name,
                ap=candidate.score.per_class[name],
                reference_ap=reference.score.per_class[name],
                change_ci=_finite(change),
                truths=int(reference.matches.truths[:, index].sum()),
            )
        )
    return tuple(sorted(found, key=lambda drift: drift.change))


def _finite(change: Interval) -> tuple[float, float] | None:
    return None if np.isnan(change.low) else (change.low, change.high)


def _of_class(table: MatchTable, index: int) -> MatchTable:
    truths = np.zeros_like(table.truths)
    truths[:, index] = table.truths[:, index]
    return replace(table.of_rows(table.classes == index), truths=truths)


def _size_drifts(candidate: Accuracy, reference: Accuracy) -> tuple[PartDrift, ...]:
    found = []
    for name in ("small", "medium", "large"):
        ap, reference_ap = (getattr(one.score, f"ap_{name}", None) for one in (candidate, reference))
        if ap is not None and reference_ap is not None:
            found.append(PartDrift(name=name, ap=ap, reference_ap=reference_ap))
    return tuple(found)


def _image_sums(table: MatchTable, marked: NDArray[np.bool_], confidence: float) -> Floats:
    """[T, images] how many marked detections ([T, D]) each image has from a confidence on."""
    rows, images = table.scores >= confidence, len(table.truths)
    return np.stack([np.bincount(table.images[rows], weights=row[rows], minlength=images) for row in marked])


def _image_f1(table: MatchTable, confidence: float) -> Floats:
    """[images] F1 of all classes together, the mean over IoU thresholds; 1 where nothing is to find nor found."""
    hits = _image_sums(table, table.correct, confidence)
    whole = _image_sums(table, table.counted, confidence) + table.truths.sum(axis=1)
    f1: Floats = np.where(whole > 0, 2 * hits / np.maximum(whole, 1), 1.0).mean(axis=0)
    return f1


def _image_counts(table: MatchTable, confidence: float) -> list[Counts]:
    hits, judged = (_image_sums(table, marked[:1], confidence)[0] for marked in (table.correct, table.counted))
    truths = table.truths.sum(axis=1)
    return [Counts(*map(int, row)) for row in zip(hits, truths - hits, judged - hits, strict=True)]
