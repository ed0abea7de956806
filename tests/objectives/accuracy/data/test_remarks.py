"""What is told of images to calibrate with, and of data that bound the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from coco_scenes import Truth, scene_of, with_key_points, with_masks
from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.data.image_files import ImageFile
from qpareto.objectives.accuracy.data.remarks import calibration_remarks, files_remarks, scoring_remarks


def image(name: str, *, size: int = 640, spread: float = 60.0, content: str | None = None) -> ImageFile:
    return ImageFile(Path(name), size, size, content or name, spread, None)


def told(*images: ImageFile) -> tuple[str, ...]:
    return calibration_remarks(images, height=640, width=640)


def test_good_images_are_not_remarked_on() -> None:
    assert told(image("a", size=80), image("b")) == ()


def test_a_calibration_set_without_signal_is_refused() -> None:
    with pytest.raises(
        DatasetError, match=r"2 calibration images \(a, b\) of 2 are black or of one colour, from which"
    ):
        told(image("a", spread=0), image("b", spread=1.5))


def test_some_blank_images_are_told() -> None:
    (said,) = told(image("a", spread=0), image("b"))
    assert said == "1 calibration image (a) of 2 are black or of one colour."


def test_tiny_images_are_told_with_both_sizes() -> None:
    (said,) = told(image("a", size=16), image("b", size=16))
    assert "2 calibration images (a, b) of 2 are so small that they are enlarged more than 8 times" in said
    assert "the first is 16x16 pixels, the model takes 640x640" in said


def test_one_image_repeated_is_told() -> None:
    (said,) = told(image("a", content="x"), image("b", content="x"), image("c", content="x"))
    assert said == "2 calibration images (b, c) of 3 repeat another one: ranges are those of 1."


def test_images_of_16_bits_are_told() -> None:
    deep = ImageFile(Path("a.png"), 640, 640, "a", 60.0, 65535)
    said = ["1 image (a.png) of made up have 16 bits a channel: the high 8 count, as in Ultralytics."]
    assert files_remarks("made up", [deep, image("b.png")]) == said


def test_more_objects_than_coco_counts_are_told() -> None:
    box = (1.0, 1.0, 9.0, 9.0)
    crowded, full = [Truth(0, box)] * 100 + [Truth(0, box, crowd=True)], [Truth(i % 3, box) for i in range(101)]
    assert scoring_remarks(scene_of([(crowded, [])]).dataset) == ()
    (said,) = scoring_remarks(scene_of([(crowded, []), (full, [])]).dataset)
    assert said.startswith("1 image (1.png: 101) of made up have more than 100 objects, and COCO's mAP counts 100")


def test_what_a_figure_is_of_is_said_where_it_is_not_of_boxes() -> None:
    scene = scene_of([([Truth(0, (8.0, 8.0, 40.0, 40.0))], [])])
    assert scoring_remarks(with_masks(scene).dataset) == (
        "mAP50-95 is that of masks, as pycocotools counts it ('segm').",
    )
    assert scoring_remarks(with_key_points(scene).dataset) == (
        "mAP50-95 is that of key points, as pycocotools counts it ('keypoints').",
    )
