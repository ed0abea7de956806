"""Masks and key points as people label them, in COCO files and in Ultralytics' label files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import DatasetError
from ..tasks import POSE, SEGMENT, Task
from .yolo_files import YoloBox

POSE_AREA = 0.53  # of a box, where no area is told: as Ultralytics' validation of poses takes it


def counts(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation of a `Dataset` is to be found: it is no crowd, and no pose without a labelled point."""
    return not annotation["iscrowd"] and annotation.get("num_keypoints") != 0


def whole_image(size: tuple[int, int]) -> dict[str, Any]:
    """What an annotation holds beside its ids that is an image's class: the whole image is its box.

    Args:
        size: the image's width and height.
    """
    width, height = size
    return {"bbox": [0.0, 0.0, float(width), float(height)], "area": float(width * height), "iscrowd": 0}


def one_class_each(
    annotations: Sequence[Mapping[str, Any]], sizes: Mapping[int, tuple[int, int]], path: Path
) -> list[Mapping[str, Any]]:
    """A COCO file's boxes as the classes of its images.

    Args:
        sizes: width and height of each image, by id.

    Raises:
        DatasetError: an image has no class, or several.
    """
    classes: dict[int, dict[int, Mapping[str, Any]]] = {image: {} for image in sizes}
    for annotation in annotations:
        classes[annotation["image_id"]][annotation["category_id"]] = annotation
    if other := [image for image, found in classes.items() if len(found) != 1]:
        raise DatasetError(
            f"{len(other)} of {len(sizes)} images of {path} have no class or several (the first has id {other[0]}), "
            "but the model tells the class of an image: name a data set of classification."
        )
    return [{**one, **whole_image(sizes[image])} for image, found in classes.items() for one in found.values()]


def shape_of_entry(entry: Mapping[str, Any], task: Task, where: str) -> dict[str, Any]:
    """What an annotation of a COCO file holds beside its box, as `Dataset` has it; masks are not drawn yet.

    Raises:
        DatasetError: it lacks what the task needs, or that is malformed.
    """
    if task is SEGMENT:
        outline = entry.get("segmentation")
        if not _is_code(outline) and not _is_outline(outline):
            raise DatasetError(
                f"{where} has the segmentation {str(outline)[:60]}, but the model finds masks: give polygons "
                "[[x1, y1, x2, y2, x3, y3, ...], ...] in pixels, or a run-length code."
            )
        return {"segmentation": outline} | ({"area": None} if entry.get("area") is None else {})
    if task is POSE:
        points = entry.get("keypoints")
        if not _are_numbers(points) or not points or len(points) % 3:
            raise DatasetError(
                f"{where} has the keypoints {str(points)[:60]}, but the model finds key points: give [x, y, "
                "visibility, ...] in pixels, visibility 0 where one is not labelled."
            )
        return pose(points)
    return {}


def pose(points: Sequence[float]) -> dict[str, Any]:
    """Args: points: x, y, visibility of each."""
    labelled = [float(value) for value in points]
    return {"keypoints": labelled, "num_keypoints": sum(visible > 0 for visible in labelled[2::3])}


def drawn(annotation: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """An annotation with its mask as pycocotools' compressed run-length code, and the mask's area where none is told.

    Args:
        size: the image's width and height.

    Raises:
        DatasetError: a code is of an image of another size, or no code.
    """
    from pycocotools import mask

    width, height = size
    code = annotation["segmentation"]
    where = f"The segmentation {str(code)[:60]}"
    if isinstance(code, Mapping) and [int(side) for side in code["size"]] != [height, width]:
        raise DatasetError(f"{where} is of size {code['size']}, but its image has height and width {[height, width]}.")
    try:
        if not isinstance(code, Mapping):
            code = mask.merge(mask.frPyObjects(code, height, width))
        elif isinstance(code["counts"], list):
            code = mask.frPyObjects(code, height, width)
        area = float(mask.area(code))
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{where} is no polygon and no run-length code ({error}): correct or remove it.") from error
    counts = code["counts"]
    told = annotation["area"]
    return {
        **annotation,
        "area": area if told is None else told,
        "segmentation": {
            "size": [height, width],
            "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts,
        },
    }


def annotation_of_label(box: YoloBox, size: tuple[int, int], task: Task, kpt_shape: tuple[int, int]) -> dict[str, Any]:
    """A label as `Dataset` has it, but for its ids.

    Args:
        size: the image's width and height.
        box: with a polygon, if the task is to segment.
        kpt_shape: as of `YoloFiles`. Of 2 numbers a point, one below 0 is not labelled, as in Ultralytics.
    """
    width, height = box.width * size[0], box.height * size[1]
    found = {
        "category_id": box.class_index,
        "bbox": [box.left * size[0], box.top * size[1], width, height],
        "area": width * height,
        "iscrowd": 0,
    }
    if task is SEGMENT:
        outline = (np.reshape(box.polygon, (-1, 2)) * np.array(size)).ravel().tolist()
        return drawn(found | {"area": None, "segmentation": [outline]}, size)
    if task is POSE:
        return found | {"area": POSE_AREA * width * height} | _pose_of_label(box.points, size, kpt_shape)
    return found


def _pose_of_label(values: Sequence[float], size: tuple[int, int], kpt_shape: tuple[int, int]) -> dict[str, Any]:
    """Args: values: fractions of the image; none where only the box is labelled."""
    points = np.array(values or [-1.0] * kpt_shape[0] * kpt_shape[1], np.float64).reshape(kpt_shape)
    visible = points[:, 2].clip(0) if kpt_shape[1] == 3 else 2.0 * (points >= 0).all(axis=1)
    return pose(np.column_stack([points[:, :2] * np.array(size), visible]).ravel().tolist())


def _is_code(outline: object) -> bool:
    return isinstance(outline, Mapping) and {"size", "counts"} <= outline.keys()


def _is_outline(outline: object) -> bool:
    return (
        isinstance(outline, list)
        and bool(outline)
        and all(_are_numbers(polygon) and len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in outline)
    )


def _are_numbers(values: object) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) for value in values
    )
