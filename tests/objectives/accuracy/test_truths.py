from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings

from coco_scenes import (
    Found,
    Scene,
    Truth,
    coco_score,
    pycocotools_eval,
    scene_of,
    scenes,
    score_detections,
    with_key_points,
    with_masks,
)
from qpareto.objectives.accuracy.data.labelled_shapes import counts
from qpareto.objectives.accuracy.heads.shapes import KeyPoints
from qpareto.objectives.accuracy.matcher import Matcher
from qpareto.objectives.accuracy.tasks import SEGMENT
from qpareto.objectives.accuracy.truths import coco_boxes, sigmas


def expected(value: float) -> float | None:
    return None if value == -1 else value


@given(scenes())
@settings(max_examples=40)
def test_figures_of_masks_are_the_same_floats_as_pycocotools_gives(scene: Scene) -> None:
    drawn = with_masks(scene)
    stats, _ = pycocotools_eval(drawn)
    found = coco_score(drawn)
    told = [found.map50_95, found.map50, found.ap_small, found.ap_medium, found.ap_large]
    assert told == [expected(stats[i]) for i in (0, 1, 3, 4, 5)]


@given(scenes())
@settings(max_examples=40)
def test_figures_of_key_points_are_those_of_pycocotools(scene: Scene) -> None:
    posed = with_key_points(scene)
    stats, _ = pycocotools_eval(posed)
    found = coco_score(posed)
    told = [found.map50_95, found.map50, found.ap_medium, found.ap_large]
    assert told == pytest.approx([expected(stats[i]) for i in (0, 1, 3, 4)], abs=1e-12)
    assert found.ap_small is None


@given(scenes())
@settings(max_examples=10)
def test_a_persons_seventeen_key_points_have_their_own_tolerances(scene: Scene) -> None:
    posed = with_key_points(scene, count=17)
    assert sigmas(17)[0] == pytest.approx(0.026)
    assert sigmas(17)[16] == pytest.approx(0.089)
    found = coco_score(posed)
    assert found.map50_95 == pytest.approx(expected(pycocotools_eval(posed)[0][0]), abs=1e-12)


@given(scenes())
@settings(max_examples=20)
def test_a_pose_without_a_labelled_point_is_neither_found_nor_missed(scene: Scene) -> None:
    posed = with_key_points(scene)
    table = score_detections(posed.dataset, posed.detections).matches
    assert table.truths.sum() == sum(map(counts, posed.dataset.annotations))


def test_at_most_twenty_poses_of_a_class_count_in_an_image() -> None:
    true, other = (8.0, 8.0, 40.0, 40.0), (120.0, 120.0, 40.0, 40.0)
    wrong = [Found(0, other, 0.9 - i / 1000) for i in range(30)]
    scene = scene_of([([Truth(0, true)], [*wrong, Found(0, true, 0.1)]), ([Truth(0, true)], [Found(0, true, 0.5)])])
    posed = with_key_points(scene)
    matches = Matcher(posed.dataset).match(0, posed.detections[0])
    assert matches.scores.tolist() == pytest.approx([0.9 - i / 1000 for i in range(20)])
    assert coco_score(posed).map50_95 == pytest.approx(pycocotools_eval(posed)[0][0], abs=1e-12)


def test_another_number_of_key_points_than_is_labelled_is_a_mistake_of_ours() -> None:
    box = (8.0, 8.0, 40.0, 40.0)
    posed = with_key_points(scene_of([([Truth(0, box)], [Found(0, box, 0.9)])]))
    (found,) = posed.detections
    fewer = type(found)(found.boxes, found.scores, found.classes, KeyPoints(np.zeros((1, 3, 2), np.float32)))
    with pytest.raises(ValueError, match="3 key points were found, but 5 are labelled"):
        Matcher(posed.dataset).match(0, fewer)


def test_another_process_has_the_same_task() -> None:
    assert pickle.loads(pickle.dumps(SEGMENT)) is SEGMENT


def test_boxes_are_told_by_corner_and_size() -> None:
    assert coco_boxes(np.array([[1, 2, 4, 8]], np.float32)).tolist() == [[1.0, 2.0, 3.0, 6.0]]
