"""An Ultralytics data set on disk: its data.yaml and its label files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...errors import DatasetError
from .image_files import list_images

_TOLERANCE = 0.01  # as Ultralytics: labels may stick out of the image by rounding


@dataclass(frozen=True)
class YoloFiles:
    """What a data.yaml names: the classes by index, and the images of one split sorted by path."""

    names: tuple[str, ...]
    images: tuple[Path, ...]


@dataclass(frozen=True)
class YoloBox:
    """One labelled box in fractions (0..1) of the image's width and height."""

    class_index: int
    left: float
    top: float
    width: float
    height: float


def read_yolo(data_yaml: Path, *, split: str) -> YoloFiles:
    """Read a data.yaml: `path` (root, relative to the file), `names` (list or dict) or `nc`, and the split.

    A split is a folder, a .txt list of images, or a list of these, relative to the root.

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
    if not isinstance(data, dict) or not data.get(split):
        raise DatasetError(f"{data_yaml} has no '{split}:' with images: add it, or name another split.")
    sources = data[split] if isinstance(data[split], list) else [data[split]]
    root = data_yaml.parent / str(data.get("path") or "")
    images = {image for source in sources for image in list_images(_source(root, str(source)))}
    return YoloFiles(_names(data, data_yaml), tuple(sorted(images)))


def read_labels(image: Path, names: Sequence[str]) -> tuple[YoloBox, ...]:
    """The boxes labelled in an image; polygons become their bounding boxes, repeated lines count once.

    The label file lies where Ultralytics looks for it: the last folder `images` of the path replaced by `labels`.
    An image without a label file has no boxes.

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
    boxes = [_box(line, f"{path}:{i}", names) for i, line in enumerate(lines, start=1) if line.strip()]
    return tuple(dict.fromkeys(boxes))


def label_path(image: Path) -> Path:
    """Where the labels of an image lie."""
    folders = list(image.parent.parts)
    if "images" in folders:
        folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return Path(*folders, f"{image.stem}.txt")


def _source(root: Path, source: str) -> Path:
    """Some exporters write `../valid/images` where they mean `valid/images`; Ultralytics forgives it, so do we."""
    path = root / source
    if not path.exists() and source.startswith("../"):
        return root / source[3:]
    return path


def _names(data: Mapping[str, Any], data_yaml: Path) -> tuple[str, ...]:
    names, count = data.get("names"), data.get("nc")
    if names is None and isinstance(count, int) and count > 0:
        return tuple(f"class_{i}" for i in range(count))
    if isinstance(names, list) and names:
        names = dict(enumerate(names))
    if not isinstance(names, dict) or sorted(names, key=str) != sorted(range(len(names)), key=str) or not names:
        raise DatasetError(f"{data_yaml} has no 'names:' numbered from 0: list the class names in the model's order.")
    if isinstance(count, int) and count != len(names):
        raise DatasetError(f"{data_yaml} says nc: {count} but names {len(names)} classes: correct one.")
    return tuple(str(names[i]) for i in range(len(names)))


def _box(line: str, where: str, names: Sequence[str]) -> YoloBox:
    try:
        index, *values = (float(word) for word in line.split())
    except ValueError:
        values = []
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise DatasetError(f"{where} is no label (class and box, or class and polygon): {line[:60]!r}: correct it.")
    if index not in range(len(names)):
        raise DatasetError(f"{where} has the class {index:g}, but the data set names classes 0 to {len(names) - 1}.")
    lowest = [-_TOLERANCE] * len(values) if len(values) > 4 else [-_TOLERANCE, -_TOLERANCE, 0, 0]
    if not all(low <= value <= 1 + _TOLERANCE for low, value in zip(lowest, values, strict=True)):
        raise DatasetError(f"{where} has numbers outside 0..1, but labels are fractions of the image: normalize them.")
    if len(values) == 4:
        x, y, width, height = values
        return YoloBox(int(index), x - width / 2, y - height / 2, width, height)
    left, top = min(values[0::2]), min(values[1::2])
    return YoloBox(int(index), left, top, max(values[0::2]) - left, max(values[1::2]) - top)
