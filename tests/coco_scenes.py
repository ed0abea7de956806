"""Made-up data sets and detections, and what pycocotools itself says of them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from qpareto.objectives.accuracy.coco import Accuracy, CocoScore, score_matches
from qpareto.objectives.accuracy.data.dataset import Dataset, ImageRecord
from qpareto.objectives.accuracy.data.labelled_shapes import pose
from qpareto.objectives.accuracy.heads import Detections
from qpareto.objectives.accuracy.heads.shapes import KeyPoints, Masks
from qpareto.objectives.accuracy.matcher import Matcher
from qpareto.objectives.accuracy.tasks import POSE, SEGMENT
from qpareto.objectives.accuracy.truths import coco_boxes, sigmas

Box = tuple[float, float, float, float]  # left, top, width, height


@dataclass(frozen=True)
class Truth:
    class_index: int
    box: Box
    crowd: bool = False
    area: float | None = None  # of the box, if not given


@dataclass(frozen=True)
class Found:
    class_index: int
    box: Box
    score: float


@dataclass(frozen=True)
class Scene:
    """A data set and what a detector made of it."""

    dataset: Dataset
    detections: list[Detections]


def scene_of(images: Sequence[tuple[Sequence[Truth], Sequence[Found]]], *, classes: int = 3) -> Scene:
    """Category ids are 10, 20, ...; image ids 7, 8, ..."""
    annotations = [
        {
            "image_id": 7 + i,
            "category_id": 10 * (truth.class_index + 1),
            "bbox": list(truth.box),
            "area": truth.box[2] * truth.box[3] if truth.area is None else truth.area,
            "iscrowd": int(truth.crowd),
        }
        for i, (truths, _) in enumerate(images)
        for truth in truths
    ]
    dataset = Dataset(
        name="made up",
        images=tuple(ImageRecord(7 + i, Path(f"{i}.png"), 200, 200) for i in range(len(images))),
        category_ids=tuple(10 * (k + 1) for k in range(classes)),
        category_names=tuple("abcdefgh"[:classes]),
        annotations=tuple({"id": i, **annotation} for i, annotation in enumerate(annotations, start=1)),
        content_hash="0" * 32,
    )
    return Scene(dataset, [detections_of(found) for _, found in images])


def detections_of(found: Sequence[Found]) -> Detections:
    ordered = sorted(found, key=lambda f: -f.score)
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in (f.box for f in ordered)], np.float32).reshape(-1, 4)
    return Detections(
        boxes, np.array([f.score for f in ordered], np.float32), np.array([f.class_index for f in ordered], np.intp)
    )


def score_detections(dataset: Dataset, detections: Sequence[Detections]) -> Accuracy:
    """Our figures of detections, one `Detections` an image in the data set's order, in original pixels."""
    matcher = Matcher(dataset)
    return score_matches(dataset, [matcher.match(i, found) for i, found in enumerate(detections)])


def coco_score(scene: Scene) -> CocoScore:
    """The figures of a scene."""
    score = score_detections(scene.dataset, scene.detections).score
    assert isinstance(score, CocoScore)
    return score


def pycocotools_eval(scene: Scene) -> tuple[list[float], Any]:
    """What `COCOeval` says when it is used as its authors show: `stats`, and `precision` [T, R, K, A, M]."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    dataset = scene.dataset
    content = {
        "images": [{"id": i.image_id, "width": i.width, "height": i.height} for i in dataset.images],
        "categories": [{"id": i} for i in dataset.category_ids],
        "annotations": [dict(annotation) for annotation in dataset.annotations],
    }
    results = [
        {
            "image_id": image.image_id,
            "category_id": dataset.category_ids[index],
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "area": (box[2] - box[0]) * (box[3] - box[1]),
            "score": score,
            **_shape_of(found, row),
        }
        for image, found in zip(dataset.images, scene.detections, strict=True)
        for row, (box, score, index) in enumerate(
            zip(found.boxes.astype(float).tolist(), found.scores.astype(float).tolist(), found.classes, strict=True)
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth, answer = COCO(), COCO()
        for coco, annotations in ((truth, content["annotations"]), (answer, _as_annotations(results))):
            coco.dataset = {**content, "annotations": annotations}
            coco.createIndex()
        evaluation = COCOeval(truth, answer, dataset.task.iou_type)
        if dataset.key_points:
            evaluation.params.kpt_oks_sigmas = sigmas(dataset.key_points)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats], evaluation.eval["precision"]


def _as_annotations(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What `COCO.loadRes` adds, which refuses an empty list."""
    return [{**result, "id": i, "iscrowd": 0} for i, result in enumerate(results, start=1)]


def _shape_of(found: Detections, row: int) -> dict[str, Any]:
    """What `COCO.loadRes` has of a mask or of key points, whose area is the detection's."""
    from pycocotools.mask import encode

    if isinstance(found.shapes, Masks):
        whole = np.zeros((200, 200), np.uint8, order="F")
        (left, top), part = found.shapes.corners[row], found.shapes.parts[row]
        whole[top : top + part.shape[0], left : left + part.shape[1]] = part
        return {"segmentation": encode(whole), "area": int(whole.sum())}
    if isinstance(found.shapes, KeyPoints):
        points = found.shapes.points[row, :, :2].astype(float)
        sides = points.max(axis=0) - points.min(axis=0)
        return {"keypoints": np.column_stack([points, np.ones(len(points))]).ravel().tolist(), "area": sides.prod()}
    return {}


def with_masks(scene: Scene) -> Scene:
    """The same scene with a mask in every box: all of it but a corner, whose size depends on where the box is."""
    from pycocotools.mask import encode

    def drawn(box: Sequence[float]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        left, top, width, height = (int(side) for side in box)
        slope = np.add.outer(np.arange(height) / height, np.arange(width) / width)
        return np.array([left, top]), slope < 1.2 + 0.05 * (left % 16)

    def mask_of(annotation: Mapping[str, Any]) -> dict[str, Any]:
        (left, top), part = drawn(annotation["bbox"])
        whole = np.zeros((200, 200), np.uint8, order="F")
        whole[top : top + part.shape[0], left : left + part.shape[1]] = part
        return {**annotation, "segmentation": encode(whole)}

    def found_with(found: Detections) -> Detections:
        each = [drawn(box) for box in coco_boxes(found.boxes)]
        corners = np.array([corner for corner, _ in each], np.intp).reshape(-1, 2)
        return replace(found, shapes=Masks(corners, tuple(part for _, part in each)))

    annotations = tuple(map(mask_of, scene.dataset.annotations))
    return Scene(replace(scene.dataset, annotations=annotations, task=SEGMENT), list(map(found_with, scene.detections)))


def with_key_points(scene: Scene, *, count: int = 5) -> Scene:
    """The same scene with key points along the diagonal of every box; of some truths few or none are labelled."""

    def points(box: Sequence[float]) -> NDArray[np.float64]:
        left, top, width, height = box
        along = np.linspace(0, 1, count)[:, None] ** (1 + 0.1 * (left % 16) / 8)
        placed: NDArray[np.float64] = np.array([left, top]) + along * np.array([width, height])
        return placed

    def pose_of(annotation: Mapping[str, Any]) -> dict[str, Any]:
        labelled = np.arange(count) < annotation["bbox"][0] // 8 % (count + 1)
        numbers = np.column_stack([points(annotation["bbox"]), 2.0 * labelled])
        return {**annotation, **pose(numbers.ravel().tolist())}

    def found_with(found: Detections) -> Detections:
        each = [points(box) for box in coco_boxes(found.boxes)]
        return replace(found, shapes=KeyPoints(np.array(each, np.float32).reshape(-1, count, 2)))

    annotations = tuple(map(pose_of, scene.dataset.annotations))
    return Scene(replace(scene.dataset, annotations=annotations, task=POSE), list(map(found_with, scene.detections)))


@st.composite
def scenes(draw: st.DrawFn, *, distinct_scores: bool = False, most_images: int = 4) -> Scene:
    """A few images with boxes of all of COCO's sizes that overlap and tie; at least one box is no crowd."""
    coordinate = st.integers(0, 12).map(lambda n: n * 8.0)
    side = st.sampled_from([8.0, 16.0, 24.0, 32.0, 40.0, 96.0, 104.0])
    box = st.tuples(coordinate, coordinate, side, side)
    truth = st.builds(
        Truth,
        class_index=st.integers(0, 1),  # class 2 never has a true box
        box=box,
        crowd=st.sampled_from([False, False, False, True]),
        area=st.sampled_from([None, 32.0**2, 50.0, 96.0**2 + 1]),
    )
    scores = iter(draw(st.permutations([i / 256 for i in range(1, 200)])))
    images = []
    for _ in range(draw(st.integers(1, most_images))):
        truths = draw(st.lists(truth, max_size=5))
        near = st.sampled_from([t.box for t in truths]) if truths else box
        places = draw(st.lists(st.tuples(st.integers(0, 2), near | box), max_size=8))
        score = st.sampled_from([0.25, 0.5, 0.75])
        found = [Found(k, place, next(scores) if distinct_scores else draw(score)) for k, place in places]
        images.append((truths, found))
    first = Truth(0, (8.0, 8.0, 40.0, 40.0))
    return scene_of([((*images[0][0], first), images[0][1]), *images[1:]])
