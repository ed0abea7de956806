"""What a model is asked to find, and how that is judged: boxes, masks, key points, or the class of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from .metrics import MAP, TOP1, Metric


@dataclass(frozen=True, kw_only=True)
class Task:
    """One of Ultralytics' tasks. What hits a truth is the task's own.

    Args:
        name: as Ultralytics calls it.
        finds: for people.
        metric: COCO's average precision, or top-1.
        iou_type: pycocotools' name of the overlap: of boxes, of masks, or the similarity of key points (OKS); None
            where nothing has a place.
        areas: COCO's areas that its figures are told of, in pycocotools' order; of top-1 how many classes may be named.
        most: detections of an image and class that count.
    """

    name: Literal["detect", "segment", "pose", "classify"]
    finds: str
    iou_type: Literal["bbox", "segm", "keypoints"] | None
    metric: Metric = MAP
    areas: tuple[str, ...] = ("all", "small", "medium", "large")
    most: int = 100

    def __reduce__(self) -> tuple[Callable[[str], Task], tuple[str]]:
        return task_named, (self.name,)  # in another process too there is one of each

    @cached_property
    def area_ranges(self) -> NDArray[np.float64]:
        """[areas, 2] pixels, smallest and largest."""
        from pycocotools.cocoeval import Params

        if self.iou_type is None:
            return np.array([[0, np.inf]] * len(self.areas))
        return np.array(Params(self.iou_type).areaRng, np.float64)


DETECT = Task(name="detect", finds="boxes", iou_type="bbox")
SEGMENT = Task(name="segment", finds="masks", iou_type="segm")
POSE = Task(name="pose", finds="key points", iou_type="keypoints", areas=("all", "medium", "large"), most=20)
CLASSIFY = Task(name="classify", finds="classes", iou_type=None, metric=TOP1, areas=("top-1", "top-5"), most=1)
TASKS: dict[str, Task] = {task.name: task for task in (DETECT, SEGMENT, POSE, CLASSIFY)}


def task_named(name: str) -> Task:
    """The task that an exporter wrote into a model.

    Raises:
        ModelError: it is none of these.
    """
    if name == "obb":
        raise ModelError("The model's task is 'obb', but oriented boxes are not scored: take a detection model.")
    if name not in TASKS:
        raise ModelError(f"The model's task is '{name}', but qpareto knows {', '.join(TASKS)}: take one of these.")
    return TASKS[name]
