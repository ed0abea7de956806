"""Whether a COCO file speaks of the images that are there: their sizes, and boxes in their pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import DatasetError
from .image_files import ImageFile, in_threads, size_as_stored, some_of

Entry = Mapping[str, Any]

# What good boxes are not, beyond a slip. Of 7,989 boxes of COCO none leaves its image by more than 0.2 %, and 13 %
# would fit as corners; written as corners, 73 % leave it.
_BEYOND = 0.05  # of the image's size, by which a box leaves it
_FEWEST = 3  # boxes that leave it, before anything is concluded
_IF_CORNERS = 0.25  # share of boxes that leave it, where all would fit as corners
_IF_OTHER = 0.5  # where they would not
_FIT = 0.98  # share of boxes that do fit as corners: the third number beyond the first, and inside the image


def sizes_filled(found: Sequence[tuple[Entry, ImageFile]], annotations: Path) -> tuple[str, ...]:
    """Hold the sizes that a COCO file tells against those of the images, where it tells any.

    Returns:
        A remark if it tells none of some images.

    Raises:
        DatasetError: some images have another size.
    """
    untold = [file.path.name for entry, file in found if _size_of(entry) is None]
    other = [(entry, file) for entry, file in found if (_size_of(entry) or _size(file)) != _size(file)]
    if other:
        raise DatasetError(_said_of_other(other, len(found), annotations))
    if not untold:
        return ()
    told = f"{annotations.name} has no width and height of {some_of(untold, 'image')} of {len(found)}"
    return (f"{told}: taken from the images.",)


def _size_of(entry: Entry) -> tuple[int, int] | None:
    """Width and height that an entry tells, as numbers or texts; None unless both are there and above 0."""
    try:
        width, height = (int(float(entry[key])) for key in ("width", "height"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (width, height) if min(width, height) > 0 else None


def _size(file: ImageFile) -> tuple[int, int]:
    return file.width, file.height


def _said_of_other(other: Sequence[tuple[Entry, ImageFile]], count: int, annotations: Path) -> str:
    stored = in_threads(size_as_stored, [file.path for _, file in other])
    turned = [file.path.name for (entry, file), size in zip(other, stored, strict=True) if _size_of(entry) == size]
    if turned:
        return (
            f"{some_of(turned, 'image')} of {count} hold an EXIF rotation, and {annotations} has their sizes without "
            "it, while OpenCV and Ultralytics turn them: annotate them as they are shown, or remove the EXIF "
            "orientation of all images (exiftool -Orientation= DIR)."
        )
    names = [f"{file.path.name} is {file.width}x{file.height}" for _, file in other]
    return (
        f"{some_of(names, 'image')} have another size than {annotations} says: take the images that were annotated, "
        "not resized copies."
    )


def refuse_other_boxes(annotations: Sequence[Entry], sizes: Mapping[int, tuple[int, int]], path: Path) -> None:
    """Refuse boxes that are surely not [x, y, width, height] in pixels of their images.

    Args:
        annotations: of a `CocoFile`.
        sizes: image id -> width and height in pixels.
        path: the file, for people.

    Raises:
        DatasetError: no number of any box exceeds 1; or so many boxes leave their image that all must be corners, or
            of images of another size.
    """
    if not annotations:
        return
    boxes = np.array([entry["bbox"] for entry in annotations], np.float64)
    size = np.array([sizes[entry["image_id"]] for entry in annotations], np.float64)
    if boxes.max() <= 1.01:
        said = (
            f"and no number of its {len(boxes)} boxes exceeds {boxes.max():g}, so they are fractions: multiply them by"
        )
        raise DatasetError(f"{_place(annotations[0], path)}, {said} the images' widths and heights.")
    ends = boxes[:, :2] + boxes[:, 2:]
    leaves = ((boxes[:, :2] < -_BEYOND * size) | (ends > (1 + _BEYOND) * size)).any(axis=1)
    if leaves.sum() < _FEWEST:
        return
    corners = ((boxes[:, 2:] > boxes[:, :2]) & (boxes[:, 2:] <= 1.01 * size + 1)).all(axis=1)
    first = annotations[int(leaves.argmax())]
    width, height = sizes[first["image_id"]]
    said = f"in an image of {width}x{height} pixels, which {leaves.sum()} of {len(boxes)} boxes leave"
    if corners.mean() >= _FIT and leaves.mean() >= _IF_CORNERS:
        advice = "they are corners, [x1, y1, x2, y2]: write [x, y, width, height]."
        raise DatasetError(f"{_place(first, path)} {said}, so {advice}")
    if leaves.mean() > _IF_OTHER:
        advice = "take the images that were annotated, and boxes as [x, y, width, height] in their pixels."
        raise DatasetError(f"{_place(first, path)} {said}: {advice}")


def _place(entry: Entry, path: Path) -> str:
    return f"annotations[{entry['id'] - 1}].bbox of {path} is {[round(value, 4) for value in entry['bbox']]}"
