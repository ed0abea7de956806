"""The pictures that models of other tasks are trained on: what their labels say is what is drawn."""

from __future__ import annotations

import importlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

scenes: Any = importlib.import_module("scenes")
draw: Any = importlib.import_module("draw")


@pytest.fixture(scope="module", params=["segment", "pose"])
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A task and a small data set of it."""
    folder = tmp_path_factory.mktemp(request.param)
    with ThreadPoolExecutor(2) as pool:
        draw.draw_scenes(pool, request.param, folder, {"train": 2, "val": 6})
    return request.param, folder


def filled(polygons: list[list[float]], width: int, height: int) -> np.ndarray[Any, Any]:
    """What pycocotools fills."""
    from pycocotools import mask

    return np.asarray(mask.decode(mask.merge(mask.frPyObjects(polygons, height, width)))).astype(bool)


def shared_part(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    return float(np.count_nonzero(first & second) / np.count_nonzero(first | second))


def test_a_picture_is_the_same_whenever_it_is_drawn() -> None:
    for picture in (scenes.shapes_picture, scenes.figures_picture):
        first, second = (picture(np.random.default_rng([1, 2]))[0] for _ in range(2))
        assert np.array_equal(first, second)
        assert first.shape == (240, 320, 3)


def test_outlines_fill_what_is_visible_of_an_object() -> None:
    mask = np.zeros((240, 320), bool)
    mask[50:90, 100:160] = True
    mask[60:70, 120:130] = False  # a hole, which an outline does not have
    mask[65:72, 200:230] = True  # the part beyond something that covers it
    expected = mask.copy()
    expected[60:70, 120:130] = True
    outlines = scenes._outlines(mask)
    assert len(outlines) == 2
    assert shared_part(filled([o.ravel().tolist() for o in outlines], 320, 240), expected) > 0.98
    assert shared_part(filled([draw.joined(outlines).ravel().tolist()], 320, 240), expected) > 0.97


def test_a_covered_point_and_one_outside_of_the_picture_are_told_apart() -> None:
    mask = np.zeros((240, 320), bool)
    mask[50:90, 100:160] = True
    found = scenes._with_visibility(np.array([(110.5, 60.0), (20.0, 30.0), (-1.0, 60.0)]), mask)
    assert found.tolist() == [[110.5, 60.0, 2.0], [20.0, 30.0, 1.0], [0.0, 0.0, 0.0]]


def test_yolo_labels_and_the_coco_file_say_the_same(drawn: tuple[str, Path]) -> None:
    task, folder = drawn
    coco = json.loads((folder / "instances_val.json").read_text())
    lines = [path.read_text().splitlines() for path in sorted((folder / "labels" / "val").iterdir())]
    assert [image["file_name"] for image in coco["images"]] == [f"{i:06d}.jpg" for i in range(6)]
    assert sum(map(len, lines)) == len(coco["annotations"]) > 6
    for found, annotation in zip([line for seen in lines for line in seen], coco["annotations"], strict=True):
        label, *numbers = map(float, found.split())
        assert label == annotation["category_id"] - 1
        left, top, width, height = annotation["bbox"]
        if task == "pose":
            points = np.array(numbers[4:]).reshape(5, 3) * (320, 240, 1)
            assert np.allclose(points.ravel(), annotation["keypoints"], atol=0.02)
            box = [(left + width / 2) / 320, (top + height / 2) / 240, width / 320, height / 240]
            assert np.allclose(numbers[:4], box, atol=1e-4)
        else:
            corners = np.array(numbers).reshape(-1, 2) * (320, 240)
            assert np.allclose(corners.min(axis=0), (left, top), atol=1.5)
            assert np.allclose(corners.max(axis=0), (left + width, top + height), atol=1.5)
            whole = filled(annotation["segmentation"], 320, 240)
            assert shared_part(filled([corners.ravel().tolist()], 320, 240), whole) > 0.95


def test_data_yaml_names_classes_and_points(drawn: tuple[str, Path]) -> None:
    task, folder = drawn
    data = yaml.safe_load((folder / "data.yaml").read_text())
    coco = json.loads((folder / "instances_val.json").read_text())
    assert list(data["names"].values()) == [category["name"] for category in coco["categories"]]
    assert data.get("kpt_shape") == ([5, 3] if task == "pose" else None)
    assert (folder / "calibration.txt").read_text().splitlines() == [f"images/train/{i:06d}.jpg" for i in range(2)]


def test_mirrored_points_are_those_of_the_other_side() -> None:
    sides = {"left": "right", "right": "left"}
    for name, other in zip(scenes.POINTS, scenes.MIRRORED, strict=True):
        side, _, limb = name.partition("_")
        assert scenes.POINTS[other] == (f"{sides[side]}_{limb}" if limb else name)


def test_each_class_has_as_many_pictures(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        draw.draw_classes(pool, tmp_path, {"train": 24, "val": 12})
    for split, count in (("train", 2), ("val", 1)):
        found = {folder.name: len(list(folder.iterdir())) for folder in (tmp_path / split).iterdir()}
        assert found == dict.fromkeys(draw.CLASSES, count)
