from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco_scenes import Found, Scene, Truth, pycocotools_eval, scene_of, scenes, score_detections
from qpareto.objectives.accuracy.bootstrap import accuracy_difference, map_of_weights
from qpareto.objectives.accuracy.coco import MatchTable
from qpareto.objectives.accuracy.data.dataset import ImageRecord
from qpareto.objectives.accuracy.heads import Detections


def table_of(scene: Scene) -> MatchTable:
    return score_detections(scene.dataset, scene.detections).matches


def duplicated(scene: Scene, weights: list[int]) -> Scene:
    """A data set in which each image stands as often as its weight says."""
    images: list[ImageRecord] = []
    annotations: list[dict[str, Any]] = []
    detections: list[Detections] = []
    for image, found, weight in zip(scene.dataset.images, scene.detections, weights, strict=True):
        for _ in range(weight):
            images.append(replace(image, image_id=len(images)))
            detections.append(found)
            for truth in scene.dataset.annotations:
                if truth["image_id"] == image.image_id:
                    annotations.append({**truth, "id": len(annotations) + 1, "image_id": images[-1].image_id})
    return Scene(replace(scene.dataset, images=tuple(images), annotations=tuple(annotations)), detections)


@given(scenes())
def test_weights_of_one_give_the_map_itself(scene: Scene) -> None:
    ones = np.ones((1, len(scene.dataset.images)), np.int64)
    assert map_of_weights(table_of(scene), ones)[0] == pytest.approx(pycocotools_eval(scene)[0][0], abs=1e-12)


@given(st.data())
def test_a_weighted_map_is_pycocotools_map_of_the_duplicated_images(data: st.DataObject) -> None:
    scene = data.draw(scenes(distinct_scores=True))
    others = [data.draw(st.integers(0, 3)) for _ in scene.dataset.images[1:]]
    weights = [data.draw(st.integers(1, 3)), *others]  # the first image has a box to find
    expected = pycocotools_eval(duplicated(scene, weights))[0][0]
    assert map_of_weights(table_of(scene), np.array([weights]))[0] == pytest.approx(expected, abs=1e-12)


def test_a_draw_without_any_true_box_has_no_map() -> None:
    scene = scene_of([([Truth(0, (1.0, 1.0, 9.0, 9.0))], []), ([], [])])
    drawn = map_of_weights(table_of(scene), np.array([[0, 2], [1, 1]]))
    assert np.isnan(drawn).tolist() == [True, False]


def half_found(images: int, every: int) -> Scene:
    """One box an image, found in every so many images."""
    box = (10.0, 10.0, 50.0, 50.0)
    return scene_of([([Truth(0, box)], [Found(0, box, 0.5)] if i % every == 0 else []) for i in range(images)])


def test_the_difference_lies_in_its_interval_and_has_a_sign() -> None:
    better, worse = table_of(half_found(200, 1)), table_of(half_found(200, 2))
    difference = accuracy_difference(worse, better)
    assert -0.6 < difference.low < difference.value < difference.high < -0.4
    # A share of 100 of 200 images is sure to 0.035 (one sigma of a binomial).
    assert difference.high - difference.low == pytest.approx(2 * 1.96 * 0.035, rel=0.25)


def test_equal_tables_differ_by_nothing_in_every_draw() -> None:
    table = table_of(half_found(50, 2))
    assert tuple(accuracy_difference(table, table)) == (0.0, 0.0, 0.0)


def test_the_same_seed_draws_the_same_interval() -> None:
    better, worse = table_of(half_found(50, 1)), table_of(half_found(50, 2))
    assert accuracy_difference(worse, better, seed=3) == accuracy_difference(worse, better, seed=3)
    assert accuracy_difference(worse, better, seed=3) != accuracy_difference(worse, better, seed=4)


def test_a_higher_level_gives_a_wider_interval() -> None:
    better, worse = table_of(half_found(50, 1)), table_of(half_found(50, 2))
    wide, narrow = (accuracy_difference(worse, better, level=level) for level in (0.95, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_tables_of_different_data_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="different data sets"):
        accuracy_difference(table_of(half_found(10, 1)), table_of(half_found(11, 1)))
