"""A COCO annotation file, read and checked: images, categories, boxes."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DatasetError
from .image_files import some_of

_FIELDS = {
    "images": ("id", "file_name"),
    "categories": ("id", "name"),
    "annotations": ("image_id", "category_id", "bbox"),
}


@dataclass(frozen=True)
class CocoFile:
    """What a COCO file says, in its own order.

    Annotations hold `id` (from 1, ours), `image_id`, `category_id`, `bbox` [x, y, width, height] in pixels,
    `area` and `iscrowd`; masks and key points are left out. The ids are renumbered since pycocotools takes a
    match with id 0 for none.
    """

    images: tuple[Mapping[str, Any], ...]
    categories: tuple[Mapping[str, Any], ...]
    annotations: tuple[Mapping[str, Any], ...]


def read_coco(path: Path) -> CocoFile:
    """Read a COCO annotation file.

    Raises:
        DatasetError: it is missing or not COCO; ids are not unique; annotations name images or categories that the
            file does not list, or hold malformed boxes.
    """
    sections = _sections(path)
    for section in ("images", "categories"):
        _refuse_repeated([entry["id"] for entry in sections[section]], section, path)
    _refuse_unknown(sections, "image_id", "images", path)
    _refuse_unknown(sections, "category_id", "categories", path)
    annotations = tuple(_annotation(i, entry, path) for i, entry in enumerate(sections["annotations"], start=1))
    return CocoFile(tuple(sections["images"]), tuple(sections["categories"]), annotations)


def _sections(path: Path) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The three lists that make a file COCO, each entry with the fields that are needed here."""
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
    return {section: content[section] for section in _FIELDS}


def _refuse_repeated(ids: Sequence[Any], section: str, path: Path) -> None:
    if bad := [i for i in ids if not isinstance(i, int)]:
        raise DatasetError(f"'{section}' of {path} have ids that are no whole numbers ({bad[0]!r}): number them.")
    if twice := [str(i) for i, count in Counter(ids).items() if count > 1]:
        raise DatasetError(f"'{section}' of {path} repeat {some_of(twice, 'id')}: make them unique.")


def _refuse_unknown(sections: dict[str, Sequence[Mapping[str, Any]]], key: str, section: str, path: Path) -> None:
    known = {entry["id"] for entry in sections[section]}
    named = {
        str(entry[key])
        for entry in sections["annotations"]
        if not (isinstance(entry[key], int) and entry[key] in known)
    }
    if named:
        raise DatasetError(
            f"Annotations of {path} name {some_of(sorted(named), f'unknown {key}')}: "
            f"list them under '{section}', or remove the annotations."
        )


def _annotation(number: int, entry: Mapping[str, Any], path: Path) -> dict[str, Any]:
    try:
        x, y, width, height = (float(value) for value in entry["bbox"])
        area = float(entry.get("area", width * height))
        good = all(map(math.isfinite, (x, y))) and all(0 <= size < math.inf for size in (width, height, area))
    except (TypeError, ValueError):
        good = False
    if not good:
        raise DatasetError(
            f"annotations[{number - 1}] of {path} has the bbox {entry['bbox']!r} (area {entry.get('area')!r}), "
            "but COCO boxes are [x, y, width, height] in pixels: correct or remove it."
        )
    return {
        "id": number,
        "image_id": entry["image_id"],
        "category_id": entry["category_id"],
        "bbox": [x, y, width, height],
        "area": area,
        "iscrowd": int(bool(entry.get("iscrowd", 0))),
    }
