"""Made-up images: always the same, sane, and with boxes that lie inside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qpareto.objectives.accuracy.image_files import decode
from qpareto.objectives.selftest.pictures import IMAGES, made_up_dataset, made_up_images


def test_every_run_draws_the_same_images() -> None:
    for (image, boxes), (other, other_boxes) in zip(made_up_images(), made_up_images(), strict=True):
        assert np.array_equal(image, other)
        assert boxes == other_boxes


def test_images_reach_from_dark_to_bright_and_are_no_two_alike() -> None:
    images = [image for image, _ in made_up_images()]
    assert min(image.min() for image in images) < 8
    assert max(image.max() for image in images) > 247
    assert len({image.tobytes() for image in images}) == IMAGES


def test_the_data_set_is_one_that_could_be_scored(tmp_path: Path) -> None:
    dataset = made_up_dataset(tmp_path / "images", classes=3)
    sizes = {record.image_id: (record.width, record.height) for record in dataset.images}
    assert len(sizes) == IMAGES
    for record in dataset.images:
        image = decode(record.path)
        assert image is not None
        assert image.shape == (record.height, record.width, 3)
    for annotation in dataset.annotations:
        x, y, width, height = annotation["bbox"]
        assert min(x, y) >= 0
        assert min(width, height) >= 1
        assert x + width <= sizes[annotation["image_id"]][0]
        assert y + height <= sizes[annotation["image_id"]][1]
    assert {annotation["category_id"] for annotation in dataset.annotations} == {0, 1, 2}
    assert dataset.content_hash == made_up_dataset(tmp_path / "again", classes=3).content_hash
