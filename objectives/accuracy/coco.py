"""COCO's figures, and the table of matches that their spread is drawn from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .data.dataset import Dataset
from .data.labelled_shapes import counts
from .matcher import Matches
from .metrics import MAP, Metric, Score
from .sample import Sample
from .tasks import CLASSIFY
from .top1 import TopScore, score_of_classes

ALL = 0  # of pycocotools' areas


@dataclass(frozen=True, kw_only=True)
class CocoScore(Score):
    """COCO's average precisions, 0..1, at most 100 detections an image and class (20 poses); bigger is better.

    Args:
        map50_95: mean over IoU 0.50 to 0.95 (of key points: OKS), over the classes that have something to find.
        map50: at IoU 0.50.
        ap_small, ap_medium, ap_large: map50_95 of objects up to 32 x 32, up to 96 x 96, and above; None where the data
            set has none, and of small poses.
        per_class: map50_95 by name of the classes that have true boxes.
    """

    metric: ClassVar[Metric] = MAP
    bounded: ClassVar[tuple[str, ...]] = ("map50_95", "map50")

    map50_95: float
    map50: float
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None

    @property
    def beside(self) -> dict[str, tuple[float | None, ...]]:
        return {"mAP50": (self.map50,), "AP small / medium / large": (self.ap_small, self.ap_medium, self.ap_large)}


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchTable:
    """Every detection that counts towards the figure, by class and then by falling score.

    Args:
        images: [D] index of the image in the data set.
        classes: [D] class index, ascending.
        scores: [D].
        correct: [T, D] whether the detection hits a true box at each IoU threshold.
        counted: [T, D] whether it counts as right or wrong; what lies on a crowd does not.
        truths: [images, classes] true boxes that are no crowd.
        metric: the name of the figure.
    """

    images: NDArray[np.int32]
    classes: NDArray[np.int32]
    scores: NDArray[np.float64]
    correct: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    truths: NDArray[np.int32]
    metric: str = MAP.name

    def of_rows(self, rows: NDArray[np.bool_]) -> MatchTable:
        """Some of the detections, with all true boxes: rows is [D]."""
        return replace(
            self,
            images=self.images[rows],
            classes=self.classes[rows],
            scores=self.scores[rows],
            correct=self.correct[:, rows],
            counted=self.counted[:, rows],
        )


@dataclass(frozen=True)
class Accuracy:
    """What an engine scored, and what is needed to say how sure that is. Kept in the store.

    Args:
        sample: by which the engine is known again when it is timed; None of what an older program kept.
    """

    score: CocoScore | TopScore
    matches: MatchTable
    sample: Sample | None = None

    def save(self, folder: Path) -> None:
        """Write score.json, matches.npz and sample.npz into an existing folder."""
        (folder / "score.json").write_text(json.dumps(asdict(self.score), indent=1))
        told = dict(vars(self.matches))
        if self.matches.metric == MAP.name:  # as before there were others, so that older programs read it
            del told["metric"]
        np.savez_compressed(folder / "matches.npz", **told)
        if self.sample is not None:
            self.sample.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Accuracy:
        """Read what `save` wrote."""
        with np.load(folder / "matches.npz", allow_pickle=False) as arrays:
            told = dict(arrays)
        matches = MatchTable(**{**told, "metric": str(told.get("metric", MAP.name))})
        kind = CocoScore if matches.metric == MAP.name else TopScore
        return cls(kind(**json.loads((folder / "score.json").read_text())), matches, Sample.load(folder))


def score_matches(dataset: Dataset, matches: Sequence[Matches]) -> Accuracy:
    """The figures of matched detections, one `Matches` an image in the data set's order.

    Of boxes the same floats as pycocotools gives when it evaluates all images at once.
    """
    if len(matches) != len(dataset.images):
        raise ValueError(f"{len(matches)} images were matched, but {dataset.name} has {len(dataset.images)}")
    classes = np.concatenate([match.classes for match in matches])
    scores = np.concatenate([match.scores for match in matches])
    # Of equal scores pycocotools takes the earlier image first, and so does lexsort, which is stable.
    order = np.lexsort((-scores, classes))
    merged = Matches(
        classes=classes[order],
        scores=scores[order],
        matched=np.concatenate([match.matched for match in matches], axis=2).take(order, axis=2),
        ignored=np.concatenate([match.ignored for match in matches], axis=2).take(order, axis=2),
    )
    truths = _truths(dataset)
    images = np.repeat(np.arange(len(matches), dtype=np.int32), [len(match.scores) for match in matches])
    table = MatchTable(
        images=images[order],
        classes=merged.classes.astype(np.int32),
        scores=merged.scores,
        correct=merged.matched[ALL] & ~merged.ignored[ALL],
        counted=~merged.ignored[ALL],
        truths=truths[ALL],
        metric=dataset.task.metric.name,
    )
    if dataset.task is CLASSIFY:
        return Accuracy(score_of_classes(dataset, matches), table)
    return Accuracy(_coco_score(_precision(merged, truths.sum(axis=1)), dataset), table)


def _coco_score(precision: NDArray[np.float64], dataset: Dataset) -> CocoScore:
    """Args: precision [T, R, classes, A], -1 where there is nothing to find."""
    whole = precision[..., ALL]
    per_class = {name: _mean(whole[:, :, k]) for k, name in enumerate(dataset.category_names)}
    by_area = {area: _mean(precision[..., i]) for i, area in enumerate(dataset.task.areas)}
    return CocoScore(
        map50_95=_mean(whole) or 0.0,  # a Dataset has a box to find, so this mean exists
        map50=_mean(whole[0]) or 0.0,
        ap_small=by_area.get("small"),
        ap_medium=by_area["medium"],
        ap_large=by_area["large"],
        per_class={name: value for name, value in per_class.items() if value is not None},
    )


def _precision(matches: Matches, truths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Precision as pycocotools' `accumulate` has it, [T, 101 recalls, classes, A], -1 where there is nothing to find.

    Args:
        truths: [A, classes] true boxes to find.
    """
    from pycocotools.cocoeval import Params

    recalls = Params("bbox").recThrs
    areas, classes = truths.shape
    precision = np.full((matches.matched.shape[1], len(recalls), classes, areas), -1.0)
    starts = np.searchsorted(matches.classes, np.arange(classes + 1))
    correct, counted = matches.matched & ~matches.ignored, ~matches.ignored
    for area, k in zip(*np.nonzero(truths), strict=True):
        columns = slice(starts[k], starts[k + 1])
        precision[:, :, k, area] = _class_precision(
            correct[area, :, columns], counted[area, :, columns], int(truths[area, k]), recalls
        )
    return precision


def _class_precision(
    correct: NDArray[np.bool_], counted: NDArray[np.bool_], truths: int, recalls: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Precision at each recall, made to fall with it: [T, R]. It changes at hits only, so only they are looked at.

    Args:
        correct, counted: [T, D] as in `MatchTable`.
        truths: how many there are to find, at least 1.
    """
    thresholds, hits = np.divmod(np.flatnonzero(correct), correct.shape[1])
    judged = counted.cumsum(axis=1, dtype=np.int32)[thresholds, hits]
    right = np.arange(len(hits)) - np.searchsorted(thresholds, thresholds) + 1
    at_hit = np.zeros((len(correct), truths + 1))  # and none beyond the last
    at_hit[thresholds, right - 1] = right / (judged + np.spacing(1))
    falling = np.maximum.accumulate(at_hit[:, ::-1], axis=1)[:, ::-1]
    return falling[:, np.searchsorted(np.arange(1, truths + 1) / truths, recalls)]


def _truths(dataset: Dataset) -> NDArray[np.int32]:
    """[A, images, classes] true boxes that count at each of COCO's areas."""
    areas = dataset.task.area_ranges
    image_index = {image.image_id: i for i, image in enumerate(dataset.images)}
    class_index = {category_id: i for i, category_id in enumerate(dataset.category_ids)}
    numbers = np.zeros((len(areas), len(image_index), len(class_index)), np.int32)
    counting = [a for a in dataset.annotations if counts(a)]
    sizes = np.array([a["area"] for a in counting])
    images = np.array([image_index[a["image_id"]] for a in counting])
    classes = np.array([class_index[a["category_id"]] for a in counting])
    for area, (smallest, largest) in enumerate(areas):
        counted = (smallest <= sizes) & (sizes <= largest)
        np.add.at(numbers[area], (images[counted], classes[counted]), 1)
    return numbers


def _mean(precision: NDArray[np.float64]) -> float | None:
    """As pycocotools summarizes: the mean of what is there, None if nothing is."""
    there = precision[precision > -1]
    return float(np.mean(there)) if there.size else None
