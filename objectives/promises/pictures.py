"""Images made up for a self-test, which needs no data set: drawn with numpy, the same in every run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..accuracy.data.dataset import Dataset, ImageRecord
from ..accuracy.data.evaluation_set import EvaluationSet
from ..accuracy.data.images import Geometry, LetterboxedImages
from ..store import disk_errors, file_hash

IMAGES = 8
_RECTANGLES = 6  # an image


def made_up_images(folder: Path, *, height: int, width: int, classes: int) -> EvaluationSet:
    """Images of one size, and their rectangles as boxes of made-up classes: scores on them mean nothing.

    Args:
        folder: gets the images' pixels.

    Raises:
        DiskError: the folder cannot be written.
    """
    random, path = np.random.default_rng(0), folder / "made-up.npy"
    # A corner in the upper left quarter, sides of a tenth to a half of the image's.
    shares = random.uniform([0, 0, 0.1, 0.1], 0.5, (IMAGES, _RECTANGLES, 4))
    boxes = (shares * [width, height, width, height]).astype(int)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack([_image(random, height, width, rectangles) for rectangles in boxes]))
    key = file_hash(path)
    drawn = LetterboxedImages(path, (Geometry(1, 0, 0, width, height),) * IMAGES, key)
    dataset = Dataset(
        name="made-up images",
        images=tuple(ImageRecord(number, folder / f"{number}.png", width, height) for number in range(IMAGES)),
        category_ids=tuple(range(classes)),
        category_names=tuple(f"class {i}" for i in range(classes)),
        annotations=tuple(
            {"id": i + 1, "image_id": i // _RECTANGLES, "category_id": i % classes, "bbox": [x, y, w, h]}
            | {"area": w * h, "iscrowd": 0}
            for i, (x, y, w, h) in enumerate(boxes.reshape(-1, 4).tolist())
        ),
        content_hash=key,
    )
    return EvaluationSet(dataset=dataset, pixels=drawn)


def _image(random: np.random.Generator, height: int, width: int, boxes: NDArray[np.int_]) -> NDArray[np.uint8]:
    """A gradient with rectangles and noise: flat, smooth and rough parts, so that ranges found on it are sane."""
    down, right = np.linspace(-1, 1, height)[:, None, None], np.linspace(-1, 1, width)[:, None]
    slopes = random.uniform(-1, 1, (2, 3))
    image = 127.5 + 63.75 * (down * slopes[0] + right * slopes[1])
    for x, y, w, h in boxes:
        image[y : y + h, x : x + w] = random.uniform(0, 255, 3)
    noisy = image + random.normal(0, random.uniform(0, 24), image.shape)
    pixels: NDArray[np.uint8] = np.clip(noisy, 0, 255).astype(np.uint8)
    return pixels
