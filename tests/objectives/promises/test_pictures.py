"""Made-up images: always the same, sane, and with boxes that lie inside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qpareto.objectives.promises.pictures import IMAGES, made_up_images


def test_every_run_draws_the_same_images(tmp_path: Path) -> None:
    one, other = (made_up_images(tmp_path / name, height=96, width=160, classes=3) for name in ("one", "other"))
    assert np.array_equal(one.pixels.pixels, other.pixels.pixels)
    assert one.pixels.content_hash == other.pixels.content_hash
    assert one.dataset.annotations == other.dataset.annotations


def test_images_reach_from_dark_to_bright_and_are_no_two_alike(tmp_path: Path) -> None:
    images = made_up_images(tmp_path, height=96, width=160, classes=3).pixels
    assert images.pixels.shape == (IMAGES, 96, 160, 3)
    assert images.pixels.min() < 8
    assert images.pixels.max() > 247
    assert len({image.tobytes() for image in images.pixels}) == IMAGES


def test_the_data_set_is_one_that_could_be_scored(tmp_path: Path) -> None:
    made_up = made_up_images(tmp_path, height=96, width=160, classes=3)
    dataset = made_up.dataset
    assert [record.image_id for record in dataset.images] == list(range(IMAGES)) == list(range(len(made_up.pixels)))
    for annotation in dataset.annotations:
        x, y, width, height = annotation["bbox"]
        assert min(x, y) >= 0
        assert min(width, height) >= 1
        assert x + width <= 160
        assert y + height <= 96
        assert annotation["area"] == width * height
    assert {annotation["image_id"] for annotation in dataset.annotations} == set(range(IMAGES))
    assert {annotation["category_id"] for annotation in dataset.annotations} == {0, 1, 2}
