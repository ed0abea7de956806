from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coco_scenes import Truth, scene_of
from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.dataset import (
    Dataset,
    dataset_from_coco,
    dataset_from_yolo,
    hashes_of,
    refuse_overlap,
)

WriteImage = Callable[..., Path]
WriteJson = Callable[..., Path]
Coco = dict[str, Any]


@pytest.fixture
def load(tmp_path: Path, write_json: WriteJson) -> Callable[..., Dataset]:
    return lambda content, **options: dataset_from_coco(tmp_path / "images", write_json(content), **options)


Load = Callable[..., Dataset]


def test_images_and_categories_come_by_ascending_id(coco: Coco, load: Load) -> None:
    dataset = load(coco)
    assert [image.path.name for image in dataset.images] == ["a.png", "b.png", "c.jpg"]
    assert [(image.image_id, image.width, image.height) for image in dataset.images] == [
        (1, 40, 30),
        (2, 40, 30),
        (3, 40, 30),
    ]
    assert (dataset.category_ids, dataset.category_names) == ((10, 20), ("cat", "dog"))
    assert [a["image_id"] for a in dataset.annotations] == [1, 3]


def test_a_limit_takes_the_first_images_and_their_boxes(coco: Coco, load: Load) -> None:
    dataset = load(coco, limit=2)
    assert [image.image_id for image in dataset.images] == [1, 2]
    assert [a["image_id"] for a in dataset.annotations] == [1]


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda c: None, {"limit": 0}, "limit is 0, but at least 1"),
        (lambda c: c.update(images=[], annotations=[]), {}, "lists no image"),
        (lambda c: c["images"][0].update(file_name="lost.jpg"), {}, r"1 image \(lost.jpg\) of 3 cannot be found"),
        (lambda c: c["images"][0].update(width=80), {}, r"1 image \(c.jpg is 40x30\) have another size than"),
        (lambda c: c["categories"][0].update(name="cat"), {}, r"names 1 category \(cat\) more than once"),
        (lambda c: c.update(annotations=[]), {}, "The 3 images of .* have no boxes to find"),
        (lambda c: [a.update(iscrowd=1) for a in c["annotations"]], {}, "have no boxes to find"),
        (lambda c: c["annotations"].pop(0), {"limit": 2}, "have no boxes to find.*raise the limit"),
    ],
)
def test_data_that_cannot_be_scored_on_is_refused(
    coco: Coco, load: Load, change: Callable[[Coco], None], options: dict[str, Any], says: str
) -> None:
    change(coco)
    with pytest.raises(DatasetError, match=says):
        load(coco, **options)


def test_a_broken_image_is_refused_or_skipped_with_its_boxes(tmp_path: Path, coco: Coco, load: Load) -> None:
    (tmp_path / "images" / "c.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"1 image \(c.jpg\) cannot be decoded"):
        load(coco)
    dataset = load(coco, bad_images="skip")
    assert dataset.skipped == ("c.jpg",)
    assert [image.image_id for image in dataset.images] == [1, 2]
    assert [a["image_id"] for a in dataset.annotations] == [1]


def test_the_hash_is_of_contents_not_of_places(tmp_path: Path, coco: Coco, load: Load) -> None:
    first = load(coco).content_hash
    shutil.move(tmp_path / "images", tmp_path / "elsewhere")
    assert dataset_from_coco(tmp_path / "elsewhere", tmp_path / "instances.json").content_hash == first


@pytest.mark.parametrize(
    "change",
    [
        lambda c, write: write("images/b.png", width=44),
        lambda c, write: c["annotations"][0].update(bbox=[1, 2, 10, 21]),
        lambda c, write: c["annotations"][0].update(iscrowd=1),
        lambda c, write: c["categories"][0].update(name="wolf"),
        lambda c, write: c["images"].pop(2),
    ],
)
def test_the_hash_knows_images_boxes_and_categories(
    coco: Coco, load: Load, write_image: WriteImage, change: Callable[[Coco, WriteImage], object]
) -> None:
    first = load(coco).content_hash
    change(coco, write_image)
    assert load(coco).content_hash != first


@pytest.fixture
def yolo(tmp_path: Path, write_image: WriteImage) -> Path:
    write_image("images/val/b.png", width=100, height=50)
    write_image("images/val/a.png", width=40, height=20)
    (tmp_path / "labels" / "val").mkdir(parents=True)
    (tmp_path / "labels" / "val" / "b.txt").write_text("1 0.5 0.5 0.2 0.4\n")
    (tmp_path / "data.yaml").write_text("names: {0: cat, 1: dog}\nval: images/val\n")
    return tmp_path / "data.yaml"


def test_yolo_labels_become_coco_boxes_in_pixels(yolo: Path) -> None:
    dataset = dataset_from_yolo(yolo)
    assert [(image.image_id, image.path.name) for image in dataset.images] == [(1, "a.png"), (2, "b.png")]
    assert (dataset.category_ids, dataset.category_names) == ((0, 1), ("cat", "dog"))
    (box,) = dataset.annotations
    assert box["bbox"] == pytest.approx([40, 15, 20, 20])
    assert box["area"] == pytest.approx(400)
    assert (box["id"], box["image_id"], box["category_id"], box["iscrowd"]) == (1, 2, 1, 0)


def test_a_yolo_limit_counts_images_by_path(yolo: Path) -> None:
    with pytest.raises(DatasetError, match="have no boxes to find"):
        dataset_from_yolo(yolo, limit=1)
    with pytest.raises(DatasetError, match="limit is -1"):
        dataset_from_yolo(yolo, limit=-1)


def test_a_broken_yolo_image_is_skipped_by_choice(tmp_path: Path, yolo: Path) -> None:
    (tmp_path / "images" / "val" / "a.png").write_bytes(b"")
    dataset = dataset_from_yolo(yolo, bad_images="skip")
    assert (dataset.skipped, len(dataset.images), len(dataset.annotations)) == (("a.png",), 1, 1)


def test_categories_follow_the_models_names() -> None:
    dataset = scene_of([([Truth(0, (1, 1, 2, 2))], [])], classes=3).dataset
    ordered = dataset.for_model(["c", "a", "b"], 3)
    assert (ordered.category_ids, ordered.category_names) == ((30, 10, 20), ("c", "a", "b"))
    assert ordered.content_hash == dataset.content_hash


@pytest.mark.parametrize(("names", "classes"), [(None, None), (None, 3), (["x", "y", "z"], 3)])
def test_categories_stay_by_id_where_names_do_not_tell(names: list[str] | None, classes: int | None) -> None:
    dataset = scene_of([([Truth(0, (1, 1, 2, 2))], [])], classes=3).dataset
    assert dataset.for_model(names, classes) == dataset


def test_a_model_with_other_classes_is_refused() -> None:
    dataset = scene_of([([Truth(0, (1, 1, 2, 2))], [])], classes=3).dataset
    with pytest.raises(DatasetError, match="tells 80 classes apart, but made up has 3 categories"):
        dataset.for_model(None, 80)


def test_calibrating_on_evaluation_images_is_refused_whatever_their_names(
    tmp_path: Path, coco: Coco, load: Load, write_image: WriteImage
) -> None:
    dataset, own = load(coco), [write_image("calib/x.png", width=44), write_image("calib/a.png", width=48)]
    refuse_overlap(own, hashes_of(dataset), what="calibration", other="evaluation")
    copies = [
        Path(shutil.copy(tmp_path / "images" / name, tmp_path / "calib" / f"copy-{name}"))
        for name in ("b.png", "c.jpg")
    ]
    with pytest.raises(DatasetError, match=r"2 calibration images \(copy-b.png, copy-c.jpg\) of 4 are also evaluation"):
        refuse_overlap([*own, *copies], hashes_of(dataset), what="calibration", other="evaluation")
