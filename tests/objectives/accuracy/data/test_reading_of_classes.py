from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.data.dataset import Dataset
from qpareto.objectives.accuracy.data.held_out import coco_of_images
from qpareto.objectives.accuracy.data.reading import dataset_from_class_folders, dataset_from_coco
from qpareto.objectives.accuracy.tasks import CLASSIFY
from qpareto.objectives.accuracy.top1 import class_of_images

WriteImage = Callable[..., Path]
WriteJson = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, write_image: WriteImage) -> Path:
    for name in ("cat/a", "cat/b", "dog/c", "owl/d"):
        write_image(f"val/{name}.png")
    return tmp_path


def told(dataset: Dataset) -> dict[str, str]:
    """The class of each image, by the image's name."""
    classes = class_of_images(dataset).tolist()
    return {i.path.stem: dataset.category_names[c] for i, c in zip(dataset.images, classes, strict=True)}


def test_an_image_has_the_class_of_its_folder_and_is_one_whole_box(folder: Path) -> None:
    dataset = dataset_from_class_folders(folder)
    assert dataset.task is CLASSIFY
    assert told(dataset) == {"a": "cat", "b": "cat", "c": "dog", "d": "owl"}
    assert {tuple(a["bbox"]) for a in dataset.annotations} == {(0, 0, 40, 30)}


def test_a_limit_takes_by_turns_one_of_each_class(folder: Path) -> None:
    assert told(dataset_from_class_folders(folder, limit=3)) == {"a": "cat", "c": "dog", "d": "owl"}


def test_classes_are_matched_to_the_models_by_name_in_any_order(folder: Path) -> None:
    dataset = dataset_from_class_folders(folder).for_model(("owl", "ant", "Dog", "cat"), 4)
    assert class_of_images(dataset).tolist() == [3, 2, 0, 3]
    assert told(dataset)["c"] == "Dog"
    assert "has 3 of the model's 4 classes, matched by name" in dataset.remarks[0]


def test_images_of_classes_that_the_model_does_not_know_are_left_out_and_that_is_said(folder: Path) -> None:
    dataset = dataset_from_class_folders(folder).for_model(("dog", "owl"), 2)
    assert told(dataset) == {"c": "dog", "d": "owl"}
    assert dataset.remarks == (
        f"{folder.name} has 1 category (cat) that the model does not know: left out, with 2 images.",
    )
    assert dataset.content_hash != dataset_from_class_folders(folder).content_hash


def test_only_images_of_the_classes_that_count_are_scored(folder: Path) -> None:
    assert told(dataset_from_class_folders(folder).for_model(None, 3, ["owl"])) == {"d": "owl"}


def test_what_is_held_out_of_folders_reads_back_as_a_coco_file(folder: Path, write_json: WriteJson) -> None:
    dataset = dataset_from_class_folders(folder)
    path = write_json(coco_of_images(dataset, dataset.images[1:], folder=folder))
    again = dataset_from_coco(folder, path, task=CLASSIFY)
    assert told(again) == {"b": "cat", "c": "dog", "d": "owl"}


@pytest.mark.parametrize("boxes", [[], [10, 20]])
def test_a_coco_file_with_no_class_or_several_in_an_image_is_no_data_of_classification(
    coco: dict[str, Any], tmp_path: Path, write_json: WriteJson, boxes: list[int]
) -> None:
    coco["annotations"] = [
        {"image_id": image, "category_id": category, "bbox": [1, 1, 5, 5]}
        for image, categories in ((1, [10]), (2, [20, 20]), (3, boxes))
        for category in categories
    ]
    with pytest.raises(DatasetError, match=r"1 of 3 images of .* have no class or several \(the first has id 3\)"):
        dataset_from_coco(tmp_path / "images", write_json(coco), task=CLASSIFY)
