from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask

from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.data.dataset import Dataset
from qpareto.objectives.accuracy.data.held_out import coco_of_images
from qpareto.objectives.accuracy.data.reading import dataset_from_coco, dataset_from_yolo
from qpareto.objectives.accuracy.tasks import DETECT, POSE, SEGMENT, Task

WIDTH, HEIGHT = 60, 40
OUTLINE = [10.0, 5.0, 50.0, 5.0, 50.0, 25.0, 10.0, 25.0]  # a rectangle of 40 x 20 pixels
KEY_POINTS = [12.0, 6.0, 2, 48.0, 20.0, 1, 0.0, 0.0, 0]
CROWD = {"size": [HEIGHT, WIDTH], "counts": [400, 200, 1800]}  # by columns: 5 of 40 pixels

Load = Callable[..., Dataset]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """A data set of one image with one object, and what is changed of its annotation."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))

    def of(task: Task, *more: dict[str, Any], **changed: Any) -> Dataset:
        first = {
            "image_id": 1,
            "category_id": 1,
            "bbox": [10, 5, 40, 20],
            "segmentation": [OUTLINE],
            "keypoints": KEY_POINTS,
            **changed,
        }
        content = {
            "images": [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
            "categories": [{"id": 1, "name": "thing"}],
            "annotations": [first, *({**first, **each} for each in more)],
        }
        (tmp_path / "instances.json").write_text(json.dumps(content))
        return dataset_from_coco(tmp_path, tmp_path / "instances.json", task=task)

    return of


def test_masks_are_drawn_as_pycocotools_draws_them(load: Load) -> None:
    first, crowd = load(SEGMENT, {"segmentation": CROWD, "iscrowd": 1}).annotations
    (expected,) = mask.decode(mask.frPyObjects([OUTLINE], HEIGHT, WIDTH)).transpose(2, 0, 1)
    assert np.array_equal(mask.decode(first["segmentation"]), expected)
    assert first["area"] == expected.sum() == 800
    assert mask.decode(crowd["segmentation"]).sum() == crowd["area"] == 200
    assert load(SEGMENT, area=7).annotations[0]["area"] == 7


def test_the_task_decides_what_is_read_and_is_part_of_the_hash(load: Load) -> None:
    boxes, masks, poses = (load(task) for task in (DETECT, SEGMENT, POSE))
    assert "segmentation" not in boxes.annotations[0]
    assert "keypoints" not in boxes.annotations[0]
    assert (boxes.key_points, masks.key_points, poses.key_points) == (0, 0, 3)
    assert poses.annotations[0]["num_keypoints"] == 2
    assert poses.annotations[0]["keypoints"] == KEY_POINTS
    assert len({each.content_hash for each in (boxes, masks, poses)}) == 3


@pytest.mark.parametrize("task", [SEGMENT, POSE])
def test_what_is_held_out_is_read_back_as_it_was(load: Load, tmp_path: Path, task: Task) -> None:
    dataset = load(task, {"segmentation": CROWD, "iscrowd": 1})
    (tmp_path / "part.json").write_text(json.dumps(coco_of_images(dataset, dataset.images, folder=tmp_path)))
    assert dataset_from_coco(tmp_path, tmp_path / "part.json", task=task).annotations == dataset.annotations


@pytest.mark.parametrize(
    ("task", "changed", "says"),
    [
        (SEGMENT, {"segmentation": None}, r"annotations\[0\].*has the segmentation None, but the model finds masks"),
        (SEGMENT, {"segmentation": [[1, 2, 3, 4]]}, "give polygons"),
        (SEGMENT, {"segmentation": [[1, 2, 3, 4, 5, "6"]]}, "give polygons"),
        (SEGMENT, {"segmentation": {**CROWD, "size": [9, 9]}}, r"is of size \[9, 9\], but its image has .* \[40, 60\]"),
        (SEGMENT, {"segmentation": {**CROWD, "counts": 7}}, "is no polygon and no run-length code"),
        (POSE, {"keypoints": None}, "has the keypoints None, but the model finds key points"),
        (POSE, {"keypoints": [1, 2]}, "visibility 0 where one is not labelled"),
        (POSE, {"keypoints": [1, 2, float("nan")]}, "visibility 0 where one is not labelled"),
        (POSE, {"keypoints": [0, 0, 0]}, "have no key points to find"),
    ],
)
def test_what_the_task_needs_and_is_not_there_is_named(
    load: Load, task: Task, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(DatasetError, match=says):
        load(task, **changed)


def yolo(folder: Path, label: str, *, more: str = "") -> Path:
    (folder / "images").mkdir(exist_ok=True)
    (folder / "labels").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "images" / "a.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (folder / "labels" / "a.txt").write_text(label)
    (folder / "data.yaml").write_text(f"val: images\nnames: [thing]\n{more}")
    return folder / "data.yaml"


def test_polygons_of_label_files_are_masks(tmp_path: Path, load: Load) -> None:
    corners = [value / side for value, side in zip(OUTLINE, [WIDTH, HEIGHT] * 4, strict=True)]
    found = dataset_from_yolo(yolo(tmp_path, f"0 {' '.join(map(str, corners))}\n"), task=SEGMENT).annotations[0]
    assert found["bbox"] == pytest.approx([10, 5, 40, 20])
    assert found["segmentation"] == load(SEGMENT).annotations[0]["segmentation"]
    assert found["area"] == 800


def test_a_box_where_a_mask_is_wanted_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.txt labels a box, but the model finds masks: label polygons"):
        dataset_from_yolo(yolo(tmp_path, "0 0.5 0.5 0.1 0.1\n"), task=SEGMENT)


def test_key_points_of_label_files_are_in_pixels(tmp_path: Path) -> None:
    label = "0 0.5 0.5 0.5 0.5 0.1 0.2 2 0.3 0.4 0\n0 0.5 0.5 0.2 0.2\n"
    found, alone = dataset_from_yolo(yolo(tmp_path, label, more="kpt_shape: [2, 3]\n"), task=POSE).annotations
    assert found["keypoints"] == pytest.approx([6, 8, 2, 18, 16, 0])
    assert (found["num_keypoints"], alone["num_keypoints"]) == (1, 0)
    assert found["area"] == pytest.approx(0.53 * 30 * 20)  # as Ultralytics' validation takes it


def test_of_two_numbers_a_point_below_zero_is_not_labelled(tmp_path: Path) -> None:
    data = yolo(tmp_path, "0 0.5 0.5 0.5 0.5 0.1 0.2 -0.005 0.4\n", more="kpt_shape: [2, 2]\n")
    assert dataset_from_yolo(data, task=POSE).annotations[0]["keypoints"][2::3] == [2.0, 0.0]


def test_a_data_set_without_poses_is_refused_for_a_model_of_poses(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no kpt_shape, but the model finds key points"):
        dataset_from_yolo(yolo(tmp_path, "0 0.5 0.5 0.1 0.1\n"), task=POSE)
