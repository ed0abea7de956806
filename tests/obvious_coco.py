"""COCO's average precision, written to be read: slow, straight from the definition, sharing no code with ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from coco_scenes import Scene

AREAS = {"all": (0, 1e5**2), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e5**2)}
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def obvious_score(scene: Scene) -> dict[str, float | None]:
    """map50_95, map50, and map50_95 by size; None where there is nothing to find."""
    by_area = {area: [obvious_precision(scene, float(t), area) for t in IOU_THRESHOLDS] for area in AREAS}
    means = {
        area: _mean([value for values in by_threshold for value in values.values()])
        for area, by_threshold in by_area.items()
    }
    return {"map50": _mean(list(by_area["all"][0].values())), **means}


def obvious_precision(scene: Scene, iou_threshold: float, area: str) -> dict[int, float]:
    """Average precision by class index, of the classes that have something to find."""
    precisions = {}
    for index, category_id in enumerate(scene.dataset.category_ids):
        judged: list[tuple[float, bool]] = []  # score, right or wrong
        to_find = 0
        for image, detections in zip(scene.dataset.images, scene.detections, strict=True):
            truths = [
                a
                for a in scene.dataset.annotations
                if a["image_id"] == image.image_id and a["category_id"] == category_id
            ]
            found = [
                (float(score), [float(v) for v in box])
                for box, score, k in zip(detections.boxes, detections.scores, detections.classes, strict=True)
                if k == index
            ]
            to_find += sum(not _is_ignored(truth, area) for truth in truths)
            judged += _judged(sorted(found, key=lambda f: -f[0])[:100], truths, iou_threshold, area)
        if to_find:
            precisions[index] = _average_precision(sorted(judged, key=lambda j: -j[0]), to_find)
    return precisions


def _judged(
    found: list[tuple[float, list[float]]], truths: list[Mapping[str, Any]], iou_threshold: float, area: str
) -> list[tuple[float, bool]]:
    """The detections of one image and class that count, right or wrong; the best score chooses first."""
    taken: set[int] = set()
    judged = []
    for score, corners in found:
        size = (corners[2] - corners[0]) * (corners[3] - corners[1])
        reached = [
            truth
            for truth in truths
            if (truth["id"] not in taken or truth["iscrowd"]) and _iou(corners, truth) >= iou_threshold
        ]
        wanted = [truth for truth in reached if not _is_ignored(truth, area)]
        if wanted or reached:
            best = max(wanted or reached, key=lambda truth: (_iou(corners, truth), truth["id"]))
            taken.add(best["id"])
            if wanted:
                judged.append((score, True))
        elif AREAS[area][0] <= size <= AREAS[area][1]:
            judged.append((score, False))
    return judged


def _is_ignored(truth: Mapping[str, Any], area: str) -> bool:
    return bool(truth["iscrowd"]) or not AREAS[area][0] <= truth["area"] <= AREAS[area][1]


def _iou(corners: list[float], truth: Mapping[str, Any]) -> float:
    """Of a crowd: the share of the detection that lies in it."""
    x, y, width, height = truth["bbox"]
    across = min(corners[2], x + width) - max(corners[0], x)
    down = min(corners[3], y + height) - max(corners[1], y)
    if across <= 0 or down <= 0:
        return 0.0
    size = (corners[2] - corners[0]) * (corners[3] - corners[1])
    union = size if truth["iscrowd"] else size + width * height - across * down
    return float(across * down / union)


def _average_precision(judged: list[tuple[float, bool]], to_find: int) -> float:
    """Mean over 101 recalls of the best precision at that recall or above."""
    right = 0
    points = []
    for count, (_, is_right) in enumerate(judged, start=1):
        right += is_right
        points.append((right / to_find, right / count))
    return float(np.mean([max((p for r, p in points if r >= recall), default=0.0) for recall in RECALLS]))


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
