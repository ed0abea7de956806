"""An Ultralytics data set on disk: its data.yaml and its label files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from ....errors import DatasetError
from .image_files import list_images

_TOLERANCE = 0.01  # as Ultralytics: labels may stick out of the image by rounding


@dataclass(frozen=True)
class YoloFiles:
    """What a data.yaml names: the classes by index, and the images of one split sorted by path.

    Args:
        kpt_shape: how many key points a label has behind its box, and how many numbers of each; 0, 0 without a pose.
    """

    names: tuple[str, ...]
    images: tuple[Path, ...]
    kpt_shape: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class YoloBox:
    """One labelled box in fractions (0..1) of the image's width and height.

    Args:
        polygon: the outline that it is the box of, x and y of each corner; () of a mere box.
        points: the numbers of its key points.
    """

    class_index: int
    left: float
    top: float
    width: float
    height: float
    polygon: tuple[float, ...] = ()
    points: tuple[float, ...] = ()


def read_yolo(data_yaml: Path, *, split: str) -> YoloFiles:
    """Read a data.yaml: `path` (root), `names` (list or dict) or `nc`, `kpt_shape`, and the split.

    A split is a folder, a .txt list of images, or a list of these, relative to the root. That is looked for beside the
    file, and where Ultralytics looks: see `_roots`.

    Raises:
        DatasetError: the file is missing, not YAML, names no classes or no such split, or the images are not there.
    """
    try:
        data = yaml.safe_load(data_yaml.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(f"There is no data set at {data_yaml}: name an Ultralytics data.yaml.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{data_yaml} is not readable YAML ({reason}): name an Ultralytics data.yaml.") from error
    found = split_of(data, split)
    if not found:
        raise DatasetError(f"{data_yaml} has no '{split}:' with images: add it, or name another split.")
    sources = [str(source) for source in (found if isinstance(found, list) else [found])]
    places = _places(_roots(data_yaml, str(data.get("path") or "")), sources, data_yaml)
    images = {image for place in places for image in list_images(place)}
    return YoloFiles(_names(data, data_yaml), tuple(sorted(images)), _kpt_shape(data, data_yaml))


def split_of(data: object, split: str) -> object:
    """What a data.yaml's content names as a split; None if nothing. Ultralytics takes `validation` for `val` too."""
    if not isinstance(data, dict):
        return None
    return data.get(split) or (data.get("validation") if split == "val" else None)


def read_labels(image: Path, names: Sequence[str], *, key_points: int = 0, shapes: bool = False) -> tuple[YoloBox, ...]:
    """The boxes labelled in an image, of polygons the bounding ones; repeated ones count once.

    The label file lies where Ultralytics looks for it: the last folder `images` of the path replaced by `labels`.
    An image without a label file has no boxes.

    Args:
        key_points: how many numbers tell key points; with any, lines hold a box and those, and never a polygon.
        shapes: whether polygons and key points are kept.

    Raises:
        DatasetError: a line is no label, its class is unknown, or its numbers are no fractions of the image.
    """
    path = label_path(image)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is not a readable label file ({error}): replace or remove it.") from error
    rows = [(f"{path}:{i}", line) for i, line in enumerate(lines, start=1) if line.strip()]
    boxes = [_box(line, where, names, key_points) for where, line in rows]
    return tuple(dict.fromkeys(boxes if shapes else [replace(box, polygon=(), points=()) for box in boxes]))


def label_path(image: Path) -> Path:
    """Where the labels of an image lie."""
    folders = list(image.parent.parts)
    if "images" in folders:
        folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return Path(*folders, f"{image.stem}.txt")


def _roots(data_yaml: Path, path: str) -> list[Path]:
    """Where a data set may lie whose data.yaml names this path: from the file, from where qpareto runs, from the
    file's parent folder (whose name some paths repeat), and from Ultralytics' folder of data sets.
    """
    beside = data_yaml.parent
    if not path or Path(path).is_absolute():
        return [beside / path]
    return [beside / path, Path(path).absolute(), beside.absolute().parent / path, _ultralytics_datasets() / path]


def _ultralytics_datasets() -> Path:
    """The folder of data sets in Ultralytics' settings, or its default: where it runs, outside of a git repository."""
    config = os.environ.get("YOLO_CONFIG_DIR") or os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    try:
        settings = json.loads((Path(config).expanduser() / "Ultralytics" / "settings.json").read_text(encoding="utf-8"))
        return Path(settings["datasets_dir"])
    except (OSError, ValueError, KeyError, TypeError):
        return Path("datasets").absolute()


def _places(roots: Sequence[Path], sources: Sequence[str], data_yaml: Path) -> list[Path]:
    """The sources below the first root that has them all."""
    looked: list[str] = []
    for root in roots:
        places = [_source(root, source) for source in sources]
        absent = [os.path.normpath(place) for place in places if not place.exists()]
        if not absent:
            return places
        looked += absent
    raise DatasetError(
        f"There are no images at {' or '.join(dict.fromkeys(looked))}: correct `path:` or the split in {data_yaml}."
    )


def _source(root: Path, source: str) -> Path:
    """Some exporters write `../valid/images` where they mean `valid/images`; Ultralytics forgives it, so do we."""
    path = root / source
    if not path.exists() and source.startswith("../") and (root / source[3:]).exists():
        return root / source[3:]
    return path


def _kpt_shape(data: Mapping[str, Any], data_yaml: Path) -> tuple[int, int]:
    shape = data.get("kpt_shape")
    if shape is None:
        return 0, 0
    if not isinstance(shape, list) or len(shape) != 2 or not all(isinstance(n, int) and n > 0 for n in shape):
        raise DatasetError(
            f"{data_yaml} has kpt_shape: {shape}, but it is [key points, 2 or 3 numbers of each]: correct it."
        )
    return shape[0], shape[1]


def _names(data: Mapping[str, Any], data_yaml: Path) -> tuple[str, ...]:
    names, count = data.get("names"), data.get("nc")
    if names is None and isinstance(count, int) and count > 0:
        return tuple(f"class_{i}" for i in range(count))
    if isinstance(names, list) and names:
        names = dict(enumerate(names))
    if isinstance(names, dict):  # JSON, and what was JSON once, has its keys in quotes
        numbered = {int(key) if str(key).isdecimal() else key: name for key, name in names.items()}
        names = numbered if len(numbered) == len(names) else names
    if not isinstance(names, dict) or sorted(names, key=str) != sorted(range(len(names)), key=str) or not names:
        raise DatasetError(f"{data_yaml} has no 'names:' numbered from 0: list the class names in the model's order.")
    if isinstance(count, int) and count != len(names):
        raise DatasetError(f"{data_yaml} says nc: {count} but names {len(names)} classes: correct one.")
    return tuple(str(names[i]) for i in range(len(names)))


def _box(line: str, where: str, names: Sequence[str], key_points: int) -> YoloBox:
    try:
        index, *values = (float(word) for word in line.split())
    except ValueError:
        values = []
    points: tuple[float, ...] = ()
    if key_points and len(values) in (4, 4 + key_points):
        values, points = values[:4], tuple(values[4:])
    elif key_points or (len(values) != 4 and (len(values) < 6 or len(values) % 2)):
        other = f"class, box and the {key_points} numbers of kpt_shape" if key_points else "class and polygon"
        raise DatasetError(f"{where} is no label (class and box, or {other}): {line[:60]!r}: correct it.")
    if index not in range(len(names)):
        raise DatasetError(f"{where} has the class {index:g}, but the data set names classes 0 to {len(names) - 1}.")
    lowest = [-_TOLERANCE] * len(values) if len(values) > 4 else [-_TOLERANCE, -_TOLERANCE, 0, 0]
    if not all(low <= value <= 1 + _TOLERANCE for low, value in zip(lowest, values, strict=True)):
        raise DatasetError(f"{where} has numbers outside 0..1, but labels are fractions of the image: normalize them.")
    if len(values) == 4:
        x, y, width, height = values
        return YoloBox(int(index), x - width / 2, y - height / 2, width, height, points=points)
    left, top = min(values[0::2]), min(values[1::2])
    return YoloBox(int(index), left, top, max(values[0::2]) - left, max(values[1::2]) - top, polygon=tuple(values))
