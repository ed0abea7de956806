"""What a model is asked to find, and how that is judged: boxes, masks or key points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Task:
    """One of Ultralytics' tasks, judged by COCO's average precision; what hits a truth is the task's own.

    Args:
        name: as Ultralytics calls it.
        finds: for people.
        figure: what its map50_95 is called.
        iou_type: pycocotools' name of the overlap: of boxes, of masks, or the similarity of key points (OKS).
        areas: COCO's areas that its figures are told of, in pycocotools' order.
        most: detections of an image and class that count.
    """

    name: Literal["detect", "segment", "pose"]
    finds: str
    figure: str
    iou_type: Literal["bbox", "segm", "keypoints"]
    areas: tuple[str, ...] = ("all", "small", "medium", "large")
    most: int = 100

    def __reduce__(self) -> tuple[Callable[[str], Task], tuple[str]]:
        return task_named, (self.name,)  # in another process too there is one of each

    @cached_property
    def area_ranges(self) -> NDArray[np.float64]:
        """[areas, 2] pixels, smallest and largest."""
        from pycocotools.cocoeval import Params

        return np.array(Params(self.iou_type).areaRng, np.float64)


DETECT = Task(name="detect", finds="boxes", figure="mAP50-95", iou_type="bbox")
SEGMENT = Task(name="segment", finds="masks", figure="mask mAP50-95", iou_type="segm")
POSE = Task(
    name="pose",
    finds="key points",
    figure="key-point mAP50-95",
    iou_type="keypoints",
    areas=("all", "medium", "large"),
    most=20,
)
TASKS: dict[str, Task] = {task.name: task for task in (DETECT, SEGMENT, POSE)}


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
