"""Two engines' detections drawn side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from coco_scenes import Found, Scene, Truth, detections_of, scene_of
from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.contact_sheet import CAPTION, CELL, Column, contact_sheet, save_picture

TRUE, SEEN = (10.0, 10.0, 80.0, 60.0), (100.0, 100.0, 80.0, 60.0)
WHITE, ORANGE = (255, 255, 255), (0, 140, 255)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Two black images of 200 x 200 with a true box each."""
    found = scene_of([([Truth(0, TRUE)], []), ([Truth(1, TRUE)], [])])
    for i in range(2):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros((200, 200, 3), np.uint8))
    images = tuple(replace(image, path=tmp_path / image.path.name) for image in found.dataset.images)
    return Scene(replace(found.dataset, images=images), [])


def column(title: str, score: float) -> Column:
    return Column(title=title, found=[detections_of([Found(0, SEEN, score)])])


def colour_at(sheet: np.ndarray, *, x: float, y: float, column: int) -> tuple[int, ...]:
    """Of the pixel where a point of the original lies."""
    scale = CELL / 200
    return tuple(map(int, sheet[CAPTION + round(y * scale), column * CELL + round(x * scale)]))


def test_a_column_shows_what_its_engine_is_confident_of_and_every_true_box(scene: Scene) -> None:
    sheet = contact_sheet(scene.dataset, [1], [column("one", 0.6), column("other", 0.4)], confidence=0.5)
    assert sheet.shape == (CELL + CAPTION, 2 * CELL, 3)
    assert [colour_at(sheet, x=50, y=10, column=i) for i in (0, 1)] == [WHITE, WHITE]
    assert [colour_at(sheet, x=140, y=160, column=i) for i in (0, 1)] == [ORANGE, (0, 0, 0)]


def test_a_sheet_has_a_row_an_image_and_is_kept_as_a_picture(scene: Scene, tmp_path: Path) -> None:
    nothing = Column(title="one", found=[detections_of([]), detections_of([])])
    save_picture(contact_sheet(scene.dataset, [0, 1], [nothing], confidence=0.5), tmp_path / "sheet.jpg")
    picture = cv2.imread(str(tmp_path / "sheet.jpg"))
    assert picture is not None
    assert picture.shape == (2 * (CELL + CAPTION), CELL, 3)


def test_an_image_that_is_gone_is_told(scene: Scene) -> None:
    scene.dataset.images[0].path.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"0\.png cannot be decoded any more"):
        contact_sheet(scene.dataset, [0], [column("one", 0.6)], confidence=0.5)
