from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.coco_file import read_coco

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
        (break_section("images", id="x"), r"'images' of .* ids that are no whole numbers \('x'\)"),
        (break_section("annotations", category_id=7), r"name 1 unknown category_id \(7\)"),
        (break_section("annotations", image_id=9), r"name 1 unknown image_id \(9\)"),
        (break_section("annotations", bbox=[1, 2, 3]), r"annotations\[0\] .* has the bbox \[1, 2, 3\]"),
        (break_section("annotations", bbox=[1, 2, -3, 4]), r"annotations\[0\] .* has the bbox \[1, 2, -3, 4\]"),
        (break_section("annotations", bbox=[1, 2, 3, "wide"]), r"has the bbox"),
        (break_section("annotations", bbox=None), r"has the bbox None"),
        (break_section("annotations", area=float("nan")), r"\(area nan\)"),
        (break_section("annotations", area=-1), r"\(area -1\)"),
    ],
)
def test_what_is_not_coco_is_refused_with_the_place(
    coco: Coco, write_json: WriteJson, change: Callable[[Coco], None], says: str
) -> None:
    change(coco)
    with pytest.raises(DatasetError, match=says):
        read_coco(write_json(coco))


@pytest.mark.parametrize(("text", "says"), [("{", "is not readable JSON"), ("[1]", "has no list 'images'")])
def test_what_is_no_object_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "instances.json").write_text(text)
    with pytest.raises(DatasetError, match=says):
        read_coco(tmp_path / "instances.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"There are no annotations at .*instances.json"):
        read_coco(tmp_path / "instances.json")
