from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.data.coco_file import read_coco

WriteJson = Callable[..., Path]
Coco = dict[str, Any]


def test_annotations_are_numbered_from_one_and_completed(coco: Coco, write_json: WriteJson) -> None:
    first, second = read_coco(write_json(coco)).annotations
    common = {"iscrowd": 0}
    assert first == {"id": 1, "image_id": 1, "category_id": 20, "bbox": [1.0, 2.0, 10.0, 20.0], "area": 150.5} | common
    assert second == {"id": 2, "image_id": 3, "category_id": 10, "bbox": [0.0, 0.0, 5.0, 4.0], "area": 20.0} | common


def break_section(section: str, **fields: Any) -> Callable[[Coco], None]:
    def broken(content: Coco) -> None:
        content[section][0].update(fields)

    return broken


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.pop("annotations"), "has no list 'annotations', so it is not COCO"),
        (lambda c: c.update(images={}), "has no list 'images'"),
        (lambda c: c["images"][0].pop("file_name"), r"images\[0\] of .* lacks file_name"),
        (lambda c: c["annotations"].append("box"), r"annotations\[2\] of .* lacks image_id, category_id, bbox"),
        (break_section("images", id=1), r"'images' of .* repeat 1 id \(1\)"),
        (break_section("categories", id=10), r"'categories' of .* repeat 1 id \(10\)"),
        (break_section("images", id=None), r"images\[0\].id of .* is None, no whole number"),
        (break_section("images", id=1.5), r"images\[0\].id of .* is 1.5, no whole number"),
        (break_section("images", id="1"), r"'images' of .* repeat 1 id \(1\)"),
        (break_section("categories", id="dog"), r"categories\[0\].id of .* is 'dog', no whole number: number them"),
        (break_section("annotations", category_id=7), r"name 1 unknown category_id \(7\)"),
        (break_section("annotations", image_id=9), r"name 1 unknown image_id \(9\)"),
        (break_section("annotations", bbox=[1, 2, 3]), r"annotations\[0\] .* has the bbox \[1, 2, 3\]"),
        (break_section("annotations", bbox=[1, 2, -3, 4]), r"annotations\[0\] .* has the bbox \[1, 2, -3, 4\]"),
        (break_section("annotations", bbox=[1, 2, 3, "wide"]), r"has the bbox"),
        (break_section("annotations", bbox=None), r"has the bbox None"),
        (
            break_section("annotations", bbox=[1, 2, float("nan"), 4]),
            r"annotations\[0\] .* has the bbox \[1, 2, nan, 4\]",
        ),
        (break_section("annotations", area=float("nan")), r"annotations\[0\] of .* has the area nan: correct it"),
        (break_section("annotations", area=-1), r"annotations\[0\] of .* has the area -1"),
        (break_section("annotations", iscrowd="no"), r"annotations\[0\] of .* has the iscrowd 'no'"),
    ],
)
def test_what_is_not_coco_is_refused_with_the_place(
    coco: Coco, write_json: WriteJson, change: Callable[[Coco], None], says: str
) -> None:
    change(coco)
    with pytest.raises(DatasetError, match=says):
        read_coco(write_json(coco))


def test_ids_may_be_texts_of_numbers_and_areas_null(coco: Coco, write_json: WriteJson) -> None:
    plain = read_coco(write_json(coco))
    for section in ("images", "categories"):
        for entry in coco[section]:
            entry["id"] = str(entry["id"])
    first, second = coco["annotations"]
    first |= {"image_id": "1", "category_id": 20.0, "area": "150.5", "iscrowd": "0"}
    second |= {"image_id": "3", "category_id": "10", "area": None, "iscrowd": None}
    assert read_coco(write_json(coco)) == plain


def test_images_whose_ids_are_names_are_numbered_in_the_files_order(coco: Coco, write_json: WriteJson) -> None:
    for entry in coco["images"]:
        entry["id"] = entry["file_name"]
    for entry, name in zip(coco["annotations"], ("a.png", "c.jpg"), strict=True):
        entry["image_id"] = name
    found = read_coco(write_json(coco))
    assert [(entry["id"], entry["file_name"]) for entry in found.images] == [(1, "c.jpg"), (2, "a.png"), (3, "b.png")]
    assert [entry["image_id"] for entry in found.annotations] == [2, 1]


def test_an_image_that_is_listed_twice_stands_once_with_the_boxes_of_both(coco: Coco, write_json: WriteJson) -> None:
    coco["images"].append({"id": 7, "file_name": "./a.png", "width": 40, "height": 30})
    same, other = {**coco["annotations"][0], "image_id": 7}, {"image_id": 7, "category_id": 10, "bbox": [3, 3, 9, 9]}
    coco["annotations"] += [same, other]
    found = read_coco(write_json(coco))
    assert [entry["id"] for entry in found.images] == [3, 1, 2]
    assert [(a["image_id"], a["category_id"]) for a in found.annotations] == [(1, 20), (3, 10), (1, 10)]
    (said,) = found.remarks
    assert said.startswith("instances.json lists 1 image (a.png) more than once: each is scored once")


def roboflow(coco: Coco) -> Coco:
    """As Roboflow writes it: a category above all others, without boxes."""
    for entry in coco["categories"]:
        entry["supercategory"] = "pets"
    coco["categories"].insert(0, {"id": 0, "name": "pets", "supercategory": "none"})
    return coco


def test_the_root_of_roboflows_categories_is_known(coco: Coco, write_json: WriteJson) -> None:
    assert read_coco(write_json(coco)).root() is None
    assert read_coco(write_json(roboflow(coco))).root() == 0
    coco["annotations"][0]["category_id"] = 0
    assert read_coco(write_json(coco)).root() is None, "a category with boxes is none"


@pytest.mark.parametrize(("text", "says"), [("{", "is not readable JSON"), ("[1]", "has no list 'images'")])
def test_what_is_no_object_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "instances.json").write_text(text)
    with pytest.raises(DatasetError, match=says):
        read_coco(tmp_path / "instances.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"There are no annotations at .*instances.json"):
        read_coco(tmp_path / "instances.json")
