"""What a float model finds is held against the labels, and what is read wrongly is told by what is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from coco_scenes import Found, Truth, scene_of
from qpareto.objectives.accuracy.contact_sheet import CAPTION, CELL
from qpareto.objectives.accuracy.data.dataset import Dataset
from qpareto.objectives.accuracy.plausible import (
    CAUSES,
    FLOOR,
    IMAGES,
    FirstLook,
    least_plausible,
    of_images,
    some_images,
)

COUNT = 12
Read = Callable[[Truth], list[Found]]


def look_at(read: Read) -> FirstLook:
    """Twelve images of three boxes each, in which a detector finds what `read` makes of every true box."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(COUNT):
        truths = [
            Truth(i, (60.0 * i + float(x), float(y), float(w), float(h)))
            for i, (x, y, w, h) in enumerate(rng.integers((0, 60, 20, 20), (20, 100, 40, 90), (3, 4)))
        ]
        images.append((truths, [found for truth in truths for found in read(truth)]))
    scene = scene_of(images)
    return FirstLook(scene.dataset, scene.detections)


def exactly(truth: Truth) -> list[Found]:
    return [Found(truth.class_index, truth.box, 0.9)]


def test_what_fits_scores_as_pycocotools_says_and_accuses_nothing_in_particular() -> None:
    look = look_at(exactly)
    assert look.value == pytest.approx(1.0)
    assert look_at(lambda t: [Found((t.class_index + 1) % 3, t.box, 0.9)]).value < FLOOR
    said = look.causes()
    assert said == "check, in this order, head, channel order, scaling, label order and box format"
    assert [said.index(cause) for cause in CAUSES] == sorted(said.index(cause) for cause in CAUSES)


@pytest.mark.parametrize(
    ("read", "seen", "first"),
    [
        (lambda _: [], "hardly any box is found (0 of a score above 0.1, 36 labelled)", "scaling"),
        (lambda t: [Found(t.class_index, t.box, 0.05)], "hardly any box is found", "scaling"),
        (lambda t: [Found((t.class_index + 1) % 3, t.box, 0.9)], "100 % of the labelled ones, but with", "label order"),
        (lambda t: [Found(0, (0.2, 0.3, 0.1, 0.1), 0.9)], "smaller than 2 pixels", "box format"),
        (lambda _: [Found(0, (0.0, 0.0, 50.0, 20.0), 0.9)], "lie on 0 % of the labelled ones only", "head"),
    ],
    ids=["nothing", "nothing sure", "other classes", "fractions", "elsewhere"],
)
def test_what_is_seen_is_told_with_the_cause_that_it_speaks_for(read: Read, seen: str, first: str) -> None:
    said = look_at(read).causes()
    assert seen in said
    assert f"so check first the {first}, then " in said
    assert [cause for cause in CAUSES if cause not in said] == []


def test_labels_that_are_corners_though_they_should_be_sizes_are_told() -> None:
    right = look_at(exactly)
    wrong = [
        {**entry, "bbox": [x, y, x + w, y + h]} for entry in right.dataset.annotations for x, y, w, h in [entry["bbox"]]
    ]
    said = FirstLook(replace(right.dataset, annotations=tuple(wrong)), right.found).causes()
    assert "on 100 % of the labelled boxes if those are x1, y1, x2, y2, and on " in said
    assert "check first the box format" in said


@pytest.mark.parametrize(("expected", "floor"), [(None, 0.05), (0.4, 0.32), (0.0, 0.0)])
def test_the_floor_is_what_is_expected_less_a_fifth(expected: float | None, floor: float) -> None:
    assert least_plausible(expected) == pytest.approx(floor)


def test_fifty_images_with_boxes_are_looked_at_from_all_over_the_data_set() -> None:
    truth = [Truth(0, (1.0, 1.0, 9.0, 9.0))]
    dataset = scene_of([(truth if i % 2 else [], []) for i in range(240)]).dataset
    rows = some_images(dataset)
    assert len(rows) == len({*rows}) == IMAGES
    assert all(row % 2 for row in rows)
    assert (rows[0], rows[-1]) == (1, 239)
    some = of_images(dataset, rows[:3])
    assert [image.image_id for image in some.images] == [dataset.images[row].image_id for row in rows[:3]]
    assert len(some.annotations) == 3
    assert some_images(some) == [0, 1, 2]


def drawn(dataset: Dataset, folder: Path) -> Dataset:
    """The same with black pictures of 200 x 200."""
    images = tuple(replace(image, path=folder / image.path.name) for image in dataset.images)
    for image in images:
        cv2.imwrite(str(image.path), np.zeros((200, 200, 3), np.uint8))
    return replace(dataset, images=images)


def test_the_picture_shows_eight_images_with_their_labels_and_what_is_found(tmp_path: Path) -> None:
    look = look_at(lambda t: [Found(17, t.box, 0.002)])  # a class that there is not, and hardly any score
    picture = FirstLook(drawn(look.dataset, tmp_path), look.found).picture()
    assert picture.shape == (4 * (CELL + CAPTION), 4 * CELL, 3)
    orange = (picture == (0, 140, 255)).all(axis=2)
    cells = orange.reshape(4, CELL + CAPTION, 4, CELL).any(axis=(1, 3))
    assert cells.all(), "labelled and found boxes are drawn in every cell, however weak they are"


def test_few_images_are_shown_one_below_the_other(tmp_path: Path) -> None:
    look = look_at(exactly)
    dataset = drawn(of_images(look.dataset, [0, 1, 2]), tmp_path)
    assert FirstLook(dataset, look.found[:3]).picture().shape == (3 * (CELL + CAPTION), 2 * CELL, 3)
