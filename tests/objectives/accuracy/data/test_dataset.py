from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coco_scenes import Truth, scene_of
from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.data.dataset import Dataset, hashes_of, refuse_overlap
from qpareto.objectives.accuracy.data.reading import dataset_from_coco, dataset_from_yolo

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
    assert [image.path.name for image in dataset_from_yolo(yolo, limit=2).images] == ["a.png", "b.png"]
    with pytest.raises(DatasetError, match="None of the 1 images of data/val has a label file"):
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
    found = dataset.for_model(names, classes)
    assert (found.category_ids, found.category_names) == (dataset.category_ids, dataset.category_names)
    assert found.remarks == (
        ("made up names 3 classes ('a' is 'x', 'b' is 'y', 'c' is 'z') otherwise: they are matched by order.",)
        if names
        else ()
    )


def test_a_model_with_other_classes_is_refused() -> None:
    dataset = scene_of([([Truth(0, (1, 1, 2, 2))], [])], classes=3).dataset
    with pytest.raises(DatasetError, match="tells 80 classes apart, but made up has 3 categories"):
        dataset.for_model(None, 80)
    with pytest.raises(DatasetError, match=r"4 classes apart \(w, x, y, z\), but made up has 3 .*none of its names"):
        dataset.for_model(["w", "x", "y", "z"], 4)


@pytest.mark.parametrize("classes", [91, 92])
def test_classes_of_a_detr_are_the_category_ids_of_coco(classes: int) -> None:
    dataset = scene_of([([Truth(0, (1, 1, 2, 2)), Truth(1, (3, 3, 2, 2))], [])], classes=2).dataset
    gaps = [i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
    boxes = tuple({**a, "category_id": {10: 1, 20: 90}[a["category_id"]]} for a in dataset.annotations)
    names = tuple(f"kind {i}" for i in gaps)
    coco = replace(dataset, category_ids=tuple(gaps), category_names=names, annotations=boxes)
    found = coco.for_model(None, classes)
    assert len(set(found.category_ids)) == len(found.category_ids) == classes
    assert [found.category_ids[i] for i in gaps] == gaps
    assert (found.category_names[90], found.category_names[12]) == ("kind 90", "no class 12")
    assert [a["category_id"] for a in found.annotations] == [1, 90]
    said = f"The model's {classes} classes are taken for the category ids of made up: class 1 is kind 1."
    assert found.remarks == (said,)
    with pytest.raises(DatasetError, match="tells 93 classes apart, but made up has 80 categories"):
        coco.for_model(None, 93)


def test_some_of_a_models_classes_are_matched_by_name_and_others_left_out() -> None:
    truths = [Truth(i, (1 + i, 1, 2, 2)) for i in (0, 1, 2, 2)]
    dataset = scene_of([(truths, [])], classes=3).dataset  # a, b and c: 10, 20 and 30
    found = dataset.for_model(["z", "C", "y", "a"], 4)
    assert found.category_names == ("z", "C", "y", "a")
    assert (found.category_ids[1], found.category_ids[3]) == (30, 10)
    assert len(set(found.category_ids) | {20}) == 5, "a class without a category has an id that no box has"
    assert [a["category_id"] for a in found.annotations] == [10, 30, 30]
    assert found.content_hash != dataset.content_hash
    assert found.remarks == (
        "made up has 2 of the model's 4 classes, matched by name (C, a): mAP is theirs.",
        "made up has 1 category (b) that the model does not know: left out, with 1 box.",
    )


@pytest.mark.parametrize("names", [["1", "2", "3"], ["class_1", "class_2", "class_3"], ["a", "a", "b"]])
def test_names_that_are_numbers_or_repeat_tell_nothing(names: list[str]) -> None:
    dataset = scene_of([([Truth(0, (1, 1, 2, 2))], [])], classes=3).dataset
    found = replace(dataset, category_names=("0", "1", "2")).for_model(names, 3)
    assert found.category_ids == dataset.category_ids


def test_classes_are_chosen_by_name_or_number() -> None:
    dataset = scene_of([([Truth(i, (1, 1, 2, 2)) for i in (0, 1, 2)], [])], classes=3).dataset
    found = dataset.for_model(["c", "b", "a"], 3, ["A", 1])
    assert [a["category_id"] for a in found.annotations] == [10, 20]
    assert found.category_ids == (30, 20, 10)
    assert found.content_hash != dataset.for_model(None, 3, [0]).content_hash != dataset.content_hash
    assert found.remarks == ("Only 2 classes (b, a) of made up count.",)
    with pytest.raises(DatasetError, match=r"data.classes has 'dog', but the classes are 0 to 2 \(a, b, c\)"):
        dataset.for_model(None, 3, ["dog"])
    with pytest.raises(DatasetError, match=r"data\.classes has 3, but"):
        dataset.for_model(None, 3, [3])


def test_chosen_classes_without_a_box_are_refused() -> None:
    dataset = scene_of([([Truth(0, (1, 1, 2, 2))], [])], classes=3).dataset
    with pytest.raises(DatasetError, match="made up has no boxes of the classes that count"):
        dataset.for_model(None, 3, ["b"])


@pytest.fixture
def roboflow(coco: Coco) -> Coco:
    """As Roboflow exports it: a category without boxes before all others, which it may call as one of them."""
    for entry in coco["categories"]:
        entry["supercategory"] = "cat"
    coco["categories"].insert(0, {"id": 0, "name": "cat", "supercategory": "none"})
    return coco


@pytest.mark.parametrize(("names", "classes"), [(None, 2), (None, None), (["cat", "dog"], 2)])
def test_the_root_of_a_roboflow_export_is_left_out_and_told(
    roboflow: Coco, load: Load, names: list[str] | None, classes: int | None
) -> None:
    found = load(roboflow).for_model(names, classes)
    assert (found.category_ids, found.category_names) == ((10, 20), ("cat", "dog"))
    (said,) = [remark for remark in found.remarks if "width and height" not in remark]
    assert said.startswith("The category 'cat' of ")
    assert "(id 0, no boxes) is none of the model's classes" in said


def test_a_root_that_the_model_has_a_class_for_stays(roboflow: Coco, load: Load) -> None:
    roboflow["categories"][0]["name"] = "pets"
    found = load(roboflow).for_model(None, 3)
    assert found.category_names == ("pets", "cat", "dog")


def test_an_empty_first_category_too_many_is_a_root(coco: Coco, load: Load) -> None:
    coco["categories"].append({"id": 0, "name": "pets"})
    found = load(coco).for_model(None, 2)
    assert found.category_names == ("cat", "dog")
    coco["annotations"][0]["category_id"] = 0
    with pytest.raises(DatasetError, match=r"tells 2 classes apart, but .* has 3 categories"):
        load(coco).for_model(None, 2)


@pytest.mark.parametrize(("width", "height"), [(None, None), (0, 0), ("wide", 30), (40, 0)])
def test_sizes_that_the_file_does_not_tell_are_read_from_the_images(
    coco: Coco, load: Load, width: object, height: object
) -> None:
    for entry in coco["images"]:
        entry |= {"width": width, "height": height}
    found = load(coco)
    assert {(image.width, image.height) for image in found.images} == {(40, 30)}
    assert found.remarks == (
        "instances.json has no width and height of 3 images (a.png, b.png, c.jpg) of 3: taken from the images.",
    )


def test_sizes_may_be_texts(coco: Coco, load: Load) -> None:
    for entry in coco["images"]:
        entry |= {"width": "40", "height": "30.0"}
    assert load(coco).remarks == ()
    coco["images"][0]["width"] = "41"
    with pytest.raises(DatasetError, match="another size"):
        load(coco)


def rotate(path: Path, orientation: int) -> None:
    """Give a JPEG an EXIF orientation."""
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01" + bytes([0, orientation, 0, 0])
    exif = b"Exif\x00\x00" + tiff + b"\x00\x00\x00\x00"
    whole = path.read_bytes()
    path.write_bytes(whole[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + whole[2:])


def test_images_with_an_exif_rotation_that_were_annotated_as_stored_are_refused(
    tmp_path: Path, coco: Coco, load: Load
) -> None:
    rotate(tmp_path / "images" / "c.jpg", 6)
    with pytest.raises(DatasetError, match=r"1 image \(c.jpg\) of 3 hold an EXIF rotation, and .*annotate them as"):
        load(coco)
    coco["images"][0] |= {"width": 30, "height": 40}
    assert [(i.width, i.height) for i in load(coco).images if i.path.name == "c.jpg"] == [(30, 40)]


def test_corners_as_coco_boxes_are_refused(coco: Coco, load: Load) -> None:
    corners = [[2, 3, 12, 15], [20, 4, 39, 20], [1, 10, 30, 29], [22, 18, 40, 30], [5, 5, 9, 8]]
    coco["annotations"] = [{"image_id": 1, "category_id": 10, "bbox": box} for box in corners]
    with pytest.raises(
        DatasetError,
        match=r"annotations\[1\].bbox of .* is \[20.0, 4.0, 39.0, 20.0\] in an image of 40x30 pixels, which 3 of 5 "
        r"boxes leave, so they are corners, \[x1, y1, x2, y2\]: write \[x, y, width, height\]",
    ):
        load(coco)


def test_fractions_as_coco_boxes_are_refused(coco: Coco, load: Load) -> None:
    for entry in coco["annotations"]:
        entry["bbox"] = [0.25, 0.5, 0.125, 1]
    with pytest.raises(
        DatasetError, match=r"annotations\[0\].bbox of .* is \[0.25, 0.5, 0.125, 1.0\], .* 2 boxes .* are fractions"
    ):
        load(coco)


def test_boxes_of_images_that_were_larger_are_refused(coco: Coco, load: Load) -> None:
    boxes = [[80, 10, 20, 30], [120, 90, 30, 20], [10, 60, 20, 20], [5, 5, 20, 10]]
    coco["annotations"] = [{"image_id": 1, "category_id": 10, "bbox": box} for box in boxes]
    with pytest.raises(DatasetError, match=r"which 3 of 4 boxes leave: take the images that were annotated"):
        load(coco)


def test_good_boxes_are_taken_at_the_borders_and_a_little_beyond(coco: Coco, load: Load) -> None:
    boxes = [[0, 0, 40, 30], [-1, 0, 41, 31], [30, 20, 11, 11], [20, 15, 21, 16], [0, 0, 1, 1]]
    coco["annotations"] = [{"image_id": 1, "category_id": 10, "bbox": box} for box in boxes]
    coco["annotations"] += [{"image_id": 1, "category_id": 10, "bbox": [30, 20, 40, 30]}] * 2  # two slips
    assert len(load(coco).annotations) == 7


def test_images_without_a_label_file_are_counted_and_the_first_place_is_told(tmp_path: Path, yolo: Path) -> None:
    place = tmp_path / "labels" / "val" / "a.txt"
    assert dataset_from_yolo(yolo).remarks == (
        "1 of 2 images of data/val have no label file, so whatever is found in them counts as wrong: the first was "
        f"looked for at {place}.",
    )
    place.write_text("")
    assert dataset_from_yolo(yolo).remarks == ()


def test_a_data_set_without_any_label_file_is_refused(tmp_path: Path, yolo: Path) -> None:
    (tmp_path / "labels" / "val" / "b.txt").unlink()
    with pytest.raises(
        DatasetError, match=r"None of the 2 images of data/val has a label file: .*labels/val/a.txt, as"
    ):
        dataset_from_yolo(yolo)


def test_the_box_of_a_pose_label_is_its_first_four_numbers(tmp_path: Path, yolo: Path) -> None:
    boxes = dataset_from_yolo(yolo).annotations
    yolo.write_text(yolo.read_text() + "kpt_shape: [2, 3]\n")
    (tmp_path / "labels" / "val" / "b.txt").write_text("1 0.5 0.5 0.2 0.4 0.45 0.4 2 0.0 0.0 0\n")
    assert dataset_from_yolo(yolo).annotations == boxes


def test_a_copy_of_an_image_is_told(tmp_path: Path, yolo: Path) -> None:
    for name in ("images/val/{}.png", "labels/val/{}.txt"):
        shutil.copy(tmp_path / name.format("b"), tmp_path / name.format("c"))
    said = "1 image (c.png is b.png) of data/val are copies of others, byte for byte: each is scored."
    assert said in dataset_from_yolo(yolo).remarks


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
