"""Images made up for a self-test, which needs no data set: drawn with numpy, the same in every run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..accuracy.dataset import Dataset, ImageRecord
from ..store import content_key, disk_errors, file_hash

IMAGES = 8
_RECTANGLES = 6  # an image

Box = tuple[int, int, int, int]  # x, y, width, height in pixels


def made_up_dataset(folder: Path, *, classes: int) -> Dataset:
    """The images as files with their rectangles as boxes, of made-up classes: scores on it mean nothing.

    Raises:
        DiskError: the folder cannot be written.
    """
    import cv2

    records: list[ImageRecord] = []
    boxes: list[tuple[int, Box]] = []
    with disk_errors(folder.parent):
        folder.mkdir(parents=True, exist_ok=True)
        for number, (image, rectangles) in enumerate(made_up_images()):
            path = folder / f"{number}.png"
            path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
            records.append(ImageRecord(number, path, image.shape[1], image.shape[0]))
            boxes += [(number, box) for box in rectangles]
    return Dataset(
        name="made-up images",
        images=tuple(records),
        category_ids=tuple(range(classes)),
        category_names=tuple(f"class {i}" for i in range(classes)),
        annotations=tuple(_annotation(i, image, box, i % classes) for i, (image, box) in enumerate(boxes, start=1)),
        content_hash=content_key(images=file_hash([record.path for record in records]), boxes=boxes),
    )


def made_up_images() -> Iterator[tuple[NDArray[np.uint8], list[Box]]]:
    """Gradients with rectangles and noise: flat, smooth and rough parts, so that ranges found on them are sane.

    Yields:
        An image [height, width, 3] and its rectangles, some behind others.
    """
    random = np.random.default_rng(0)
    for _ in range(IMAGES):
        height, width = random.integers(240, 640, 2)
        slopes = random.uniform(-1, 1, (2, 3))
        down, right = np.linspace(-1, 1, height)[:, None, None], np.linspace(-1, 1, width)[:, None]
        image = 127.5 + 63.75 * (down * slopes[0] + right * slopes[1])
        boxes = [_random_box(random, width, height) for _ in range(_RECTANGLES)]
        for x, y, w, h in boxes:
            image[y : y + h, x : x + w] = random.uniform(0, 255, 3)
        noisy = image + random.normal(0, random.uniform(0, 24), image.shape)
        yield np.clip(noisy, 0, 255).astype(np.uint8), boxes


def _random_box(random: np.random.Generator, width: int, height: int) -> Box:
    """Inside the image: its corner in the upper left quarter, its sides a tenth to a half of the image's."""
    x, y, w, h = random.uniform([0, 0, 0.1, 0.1], 0.5) * np.array([width, height, width, height])
    return int(x), int(y), int(w), int(h)


def _annotation(number: int, image: int, box: Box, category: int) -> dict[str, Any]:
    area = box[2] * box[3]
    return {"id": number, "image_id": image, "category_id": category, "bbox": list(box), "area": area, "iscrowd": 0}
