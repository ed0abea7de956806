"""A contact sheet: what two engines find in the same images, side by side, drawn into one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from .data.dataset import Dataset
from .data.image_files import decode
from .heads import Detections
from .heads.shapes import KeyPoints, Masks, Shapes
from .tasks import CLASSIFY

CELL = 480  # pixels: the longer side of an image on the sheet
CAPTION = 24
SEEN = 0.5  # from which a key point counts as visible
_TRUE, _FOUND, _TEXT = (255, 255, 255), (0, 140, 255), (40, 40, 40)  # BGR

Picture = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One engine's side.

    Args:
        title: names the engine.
        found: what it finds, one `Detections` an image of the sheet, in pixels of the originals.
    """

    title: str
    found: Sequence[Detections]


def contact_sheet(dataset: Dataset, images: Sequence[int], columns: Sequence[Column], *, confidence: float) -> Picture:
    """Draw a row an image and a column an engine: what is true white, what is found orange, with class and confidence.

    Masks are drawn by their outline, key points as dots, where those are the task; of a classifier's image its class is
    written, and the best one found, however sure.

    Args:
        images: indices of the data set, at least one.
        confidence: what scores less is not drawn.

    Returns:
        [height, width, 3] BGR.

    Raises:
        DatasetError: an image cannot be decoded any more.
    """
    rows = [
        np.hstack([_cell(dataset, index, column.title, column.found[i], confidence=confidence) for column in columns])
        for i, index in enumerate(images)
    ]
    return np.vstack(rows)


def save_picture(picture: Picture, path: Path, *, jpeg_quality: int = 95) -> None:
    """As the path's suffix says: .jpg, of a quality of 0 to 100, or .png."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if path.suffix == ".jpg" else []
    encoded, content = cv2.imencode(path.suffix, picture, options)
    assert encoded  # a picture of ours, in a format that OpenCV has
    path.write_bytes(content.tobytes())


def _cell(dataset: Dataset, index: int, title: str, found: Detections, *, confidence: float) -> Picture:
    import cv2

    record = dataset.images[index]
    image = decode(record.path)
    if image is None:
        raise DatasetError(f"{record.path} cannot be decoded any more: restore it.")
    scale = CELL / max(record.width, record.height)
    size = max(round(record.width * scale), 1), max(round(record.height * scale), 1)
    cell: Picture = np.full((CELL + CAPTION, CELL, 3), 255, np.uint8)
    picture = np.ascontiguousarray(cv2.resize(image, size))
    if dataset.task is CLASSIFY:
        _classes(picture, dataset, record.image_id, found)
        found = found.of_rows(np.arange(0))
    for annotation in dataset.annotations:
        if annotation["image_id"] == record.image_id:
            x, y, width, height = annotation["bbox"]
            _box(picture, (x, y, x + width, y + height), scale, _TRUE)
            _labelled_shape(picture, annotation, scale)
    for row, (box, score, label) in enumerate(zip(found.boxes.tolist(), found.scores, found.classes, strict=True)):
        if score >= confidence:
            _box(picture, box, scale, _FOUND)
            _shape(picture, found.shapes, row, scale)
            _write(picture, f"{_name(dataset, label)} {score:.2f}", (box[0] * scale, box[1] * scale), _FOUND)
    cell[CAPTION : CAPTION + size[1], : size[0]] = picture
    _write(cell, f"{title}: {record.path.name}", (4, 16), _TEXT)
    return cell


def _classes(picture: Picture, dataset: Dataset, image_id: int, found: Detections) -> None:
    """The class of an image, and below it the best one that was found."""
    index = {category: i for i, category in enumerate(dataset.category_ids)}
    true = [index[a["category_id"]] for a in dataset.annotations if a["image_id"] == image_id]
    lines = [(_name(dataset, label), _TRUE) for label in true]
    lines += [(f"{_name(dataset, found.classes[0])} {found.scores[0]:.2f}", _FOUND)] if len(found.scores) else []
    for i, (text, colour) in enumerate(lines):
        _write(picture, text, (5, 17 + 16 * i), _TEXT)  # a shadow, on pictures that are as bright
        _write(picture, text, (4, 16 + 16 * i), colour)


def _name(dataset: Dataset, label: int) -> str:
    """Of a class; a head that is read wrongly gives numbers that none has."""
    names = dataset.category_names
    return names[label] if 0 <= label < len(names) else f"class {label}"


def _box(picture: Picture, corners: Sequence[float], scale: float, colour: tuple[int, int, int]) -> None:
    import cv2

    left, top, right, bottom = (round(value * scale) for value in corners)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, 1)


def _shape(picture: Picture, shapes: Shapes | None, row: int, scale: float) -> None:
    if isinstance(shapes, Masks):
        _outline(picture, shapes.parts[row], shapes.corners[row], scale, colour=_FOUND)
    if isinstance(shapes, KeyPoints):
        points = shapes.points[row]
        _dots(picture, points[points[:, 2] > SEEN] if points.shape[1] > 2 else points, scale, _FOUND)


def _labelled_shape(picture: Picture, annotation: Mapping[str, Any], scale: float) -> None:
    from pycocotools import mask

    if "segmentation" in annotation:
        _outline(picture, mask.decode(annotation["segmentation"]).astype(np.bool_), np.zeros(2), scale, colour=_TRUE)
    if "keypoints" in annotation:
        points = np.reshape(annotation["keypoints"], (-1, 3))
        _dots(picture, points[points[:, 2] > 0], scale, _TRUE)


def _outline(
    picture: Picture, mask: NDArray[np.bool_], corner: NDArray[Any], scale: float, *, colour: tuple[int, int, int]
) -> None:
    import cv2

    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    placed = [((outline + corner) * scale).round().astype(np.int32) for outline in outlines]
    cv2.polylines(picture, placed, isClosed=True, color=colour)


def _dots(picture: Picture, points: NDArray[Any], scale: float, colour: tuple[int, int, int]) -> None:
    import cv2

    for x, y in (points[:, :2] * scale).round().astype(int).tolist():
        cv2.circle(picture, (x, y), 3, colour, cv2.FILLED)


def _write(picture: Picture, text: str, place: tuple[float, float], colour: tuple[int, int, int]) -> None:
    import cv2

    x, y = round(place[0]), max(round(place[1]), 10)
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
