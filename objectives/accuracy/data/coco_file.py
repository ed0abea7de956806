"""A COCO annotation file, read and checked: images, categories, boxes."""

from __future__ import annotations

import json
import math
import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ....errors import DatasetError
from ..tasks import DETECT, Task
from .image_files import some_of
from .labelled_shapes import shape_of_entry

_FIELDS = {
    "images": ("id", "file_name"),
    "categories": ("id", "name"),
    "annotations": ("image_id", "category_id", "bbox"),
}
REMARKS = "qpareto-remarks"  # of the `info` of files that we make
Entries = Sequence[Mapping[str, Any]]
Id = int | str  # as it is compared: 7, 7.0 and '7' are one


@dataclass(frozen=True)
class CocoFile:
    """What a COCO file says, in its own order, each image file once.

    Annotations hold `id` (their place in the file, from 1), `image_id`, `category_id`, `bbox` [x, y, width, height] in
    pixels, `area` and `iscrowd`, and what the task needs beside them (labelled_shapes.py). The ids are renumbered since
    pycocotools takes a match with id 0 for none. Ids of images and categories are whole numbers; images that have none
    are numbered here. `remarks` tell what was not taken as it stands, also of what a file was made from that
    `coco_of_images` made.
    """

    images: tuple[Mapping[str, Any], ...]
    categories: tuple[Mapping[str, Any], ...]
    annotations: tuple[Mapping[str, Any], ...]
    remarks: tuple[str, ...] = ()

    def root(self) -> int | None:
        """The id of the empty category that Roboflow's exports begin with: the one above all others."""
        above = {str(entry["name"]): entry["id"] for entry in self.categories if entry["id"] == 0}
        named = {above.get(str(entry.get("supercategory"))) for entry in self.categories if entry["id"] != 0}
        return 0 if named == {0} and all(a["category_id"] != 0 for a in self.annotations) else None


def read_coco(path: Path, task: Task = DETECT) -> CocoFile:
    """Read a COCO annotation file.

    Raises:
        DatasetError: it is missing or not COCO; ids are not unique, or no ids; annotations name images or categories
            that the file does not list, or hold malformed boxes, masks or key points.
    """
    sections, said = _sections(path)
    ids = {section: _ids(sections[section], section, path) for section in ("images", "categories")}
    _refuse_unknown(sections, "image_id", "images", ids["images"], path=path)
    _refuse_unknown(sections, "category_id", "categories", ids["categories"], path=path)
    annotations = [
        _annotation(i, entry, path)
        | shape_of_entry(entry, task, f"annotations[{i - 1}] of {path}")
        | {
            "image_id": ids["images"][_id_of(entry["image_id"])],
            "category_id": ids["categories"][_id_of(entry["category_id"])],
        }
        for i, entry in enumerate(sections["annotations"], start=1)
    ]
    images, categories = (
        tuple({**entry, "id": ids[section][_id_of(entry["id"])]} for entry in sections[section])
        for section in ("images", "categories")
    )
    found = _each_image_once(images, categories, annotations, path)
    return replace(found, remarks=(*said, *found.remarks))


def _sections(path: Path) -> tuple[dict[str, Entries], tuple[str, ...]]:
    """The three lists that make a file COCO, each entry with the fields that are needed here; and our own remarks."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DatasetError(
            f"There are no annotations at {path}: name a COCO instances file, or make this one first, if the study "
            "file's first lines say how."
        ) from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is not readable JSON ({error}): name a COCO instances file.") from error
    for section, fields in _FIELDS.items():
        entries = content.get(section) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            raise DatasetError(f"{path} has no list '{section}', so it is not COCO: name a COCO instances file.")
        for i, entry in enumerate(entries):
            absent = [f for f in fields if f not in entry] if isinstance(entry, dict) else list(fields)
            if absent:
                raise DatasetError(f"{section}[{i}] of {path} lacks {', '.join(absent)}: export the file as COCO anew.")
    info = content.get("info")
    said = info.get(REMARKS, ()) if isinstance(info, dict) else ()
    return {section: content[section] for section in _FIELDS}, tuple(map(str, said))


def _id_of(value: object) -> Id:
    """An id as it is compared; a value that is none, as text."""
    if isinstance(value, str):
        return int(value) if value.strip().isdecimal() else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else repr(value)


def _ids(entries: Entries, section: str, path: Path) -> dict[Id, int]:
    """The number of each id. Images whose ids are texts are numbered from 1, in the file's order.

    Categories are not: models without names know them by the order of their ids.
    """
    found = [_id_of(entry["id"]) for entry in entries]
    for i, entry in enumerate(entries):
        text = isinstance(found[i], str)
        if text and (section == "categories" or not isinstance(entry["id"], str)):
            raise DatasetError(f"{section}[{i}].id of {path} is {entry['id']!r}, no whole number: number them.")
    if twice := [str(i) for i, count in Counter(found).items() if count > 1]:
        raise DatasetError(f"'{section}' of {path} repeat {some_of(twice, 'id')}: make them unique.")
    if any(isinstance(i, str) for i in found):
        return {key: number for number, key in enumerate(found, start=1)}
    return {key: int(key) for key in found}


def _refuse_unknown(
    sections: Mapping[str, Entries], key: str, section: str, known: Mapping[Id, int], *, path: Path
) -> None:
    named = {str(entry[key]) for entry in sections["annotations"] if _id_of(entry[key]) not in known}
    if named:
        raise DatasetError(
            f"Annotations of {path} name {some_of(sorted(named), f'unknown {key}')}: "
            f"list them under '{section}', or remove the annotations."
        )


def _annotation(number: int, entry: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Box, area and crowd flag of an annotation, by its place in the file, from 1."""
    where = f"annotations[{number - 1}] of {path}"
    box = _finite(*entry["bbox"]) if isinstance(entry["bbox"], list) else None
    if box is None or len(box) != 4 or min(box[2:]) < 0:
        raise DatasetError(
            f"{where} has the bbox {entry['bbox']!r}, but COCO boxes are [x, y, width, height] in pixels: correct or "
            "remove it."
        )
    told = {"area": entry.get("area"), "iscrowd": entry.get("iscrowd")}
    found = {key: _finite(0 if value is None else value) for key, value in told.items()}
    for key, value in found.items():
        if value is None or value[0] < 0:
            raise DatasetError(f"{where} has the {key} {told[key]!r}: correct it, or leave it out.")
    area = box[2] * box[3] if told["area"] is None else found["area"][0]  # type: ignore[index]
    return {"id": number, "bbox": box, "area": area, "iscrowd": int(found["iscrowd"] != [0.0])}


def _finite(*values: Any) -> list[float] | None:
    """Numbers, or numbers as texts; None if one is neither."""
    try:
        found = [float(value) for value in values]
    except (TypeError, ValueError):
        return None
    return found if all(map(math.isfinite, found)) else None


def _each_image_once(images: Entries, categories: Entries, annotations: Entries, path: Path) -> CocoFile:
    """One entry an image file, the one of the smallest id, with the boxes of all of them; equal boxes count once."""
    first: dict[str, int] = {}
    same = {
        entry["id"]: first.setdefault(posixpath.normpath(str(entry["file_name"])), entry["id"])
        for entry in sorted(images, key=lambda entry: int(entry["id"]))
    }
    again = {i for number, i in same.items() if number != i}
    if not again:
        return CocoFile(tuple(images), tuple(categories), tuple(annotations))
    boxes: dict[object, Mapping[str, Any]] = {}
    for entry in annotations:
        image, box = same[entry["image_id"]], (entry["category_id"], *entry["bbox"], entry["iscrowd"])
        key = (image, *box) if image in again else entry["id"]
        boxes.setdefault(key, {**entry, "image_id": image})
    names = [str(entry["file_name"]) for entry in images if entry["id"] in again]
    remark = (
        f"{path.name} lists {some_of(names, 'image')} more than once: each is scored once, with the boxes of all its "
        "entries, equal ones once."
    )
    kept = tuple(entry for entry in images if same[entry["id"]] == entry["id"])
    return CocoFile(kept, tuple(categories), tuple(boxes.values()), (remark,))
