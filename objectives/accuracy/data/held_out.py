"""Images held out of a labelled set for calibration, where no others are at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ....errors import DatasetError
from .coco_file import REMARKS
from .dataset import Dataset, ImageRecord

FEWEST_CALIBRATING = 8
FEWEST = 4 * FEWEST_CALIBRATING  # of which a quarter calibrates, and the rest is scored
MOST_CALIBRATING = 256


def held_out(dataset: Dataset) -> tuple[tuple[ImageRecord, ...], tuple[ImageRecord, ...]]:
    """Part a data set into images to score on and images to calibrate with: a quarter, at most 256.

    The hash of an image's file name decides, so the same files are parted the same way everywhere, whatever their ids.

    Returns:
        Those to score on, by id; those to calibrate with.

    Raises:
        DatasetError: there are fewer than 32.
    """
    if len(dataset.images) < FEWEST:
        raise DatasetError(
            f"{dataset.name} has {len(dataset.images)} images, too few to calibrate with some and score on the others: "
            f"name other images with --calibration, or add some until there are {FEWEST}."
        )
    shuffled = sorted(dataset.images, key=lambda image: (hashlib.sha256(image.path.name.encode()).digest(), image.path))
    count = min(MOST_CALIBRATING, len(shuffled) // 4)
    scored = sorted(shuffled[count:], key=lambda image: image.image_id)
    return tuple(scored), tuple(shuffled[:count])


def coco_of_images(dataset: Dataset, images: Sequence[ImageRecord], *, folder: Path) -> dict[str, Any]:
    """Some images of a data set, with their boxes, as a COCO instances file has them.

    Args:
        images: all below `folder`, to which their file names are relative.
    """
    kept = {image.image_id for image in images}
    ids = zip(dataset.category_ids, dataset.category_names, strict=True)
    above = next((name for number, name in ids if number == dataset.root), None)
    return {
        "images": [
            {
                "id": image.image_id,
                "file_name": image.path.relative_to(folder).as_posix(),
                "width": image.width,
                "height": image.height,
            }
            for image in images
        ],
        "categories": [
            {"id": number, "name": name} | ({"supercategory": above} if above and number != dataset.root else {})
            for number, name in zip(dataset.category_ids, dataset.category_names, strict=True)
        ],
        "annotations": [dict(entry) for entry in dataset.annotations if entry["image_id"] in kept],
        **({"info": {REMARKS: list(dataset.remarks)}} if dataset.remarks else {}),
    }
