from __future__ import annotations

import pytest

from coco_scenes import Found, Truth, pycocotools_eval, scene_of, score_detections
from qpareto.objectives.accuracy.coco import score_matches
from qpareto.objectives.accuracy.matcher import Matcher


def test_only_the_best_hundred_detections_of_a_class_count_in_an_image() -> None:
    box = (10.0, 10.0, 20.0, 20.0)
    wrong = [Found(0, (100.0, 100.0, 20.0, 20.0), 0.9 - i / 1000) for i in range(150)]
    scene = scene_of([([Truth(1, box)], [*wrong, Found(1, box, 0.1)]), ([Truth(0, box)], [Found(0, box, 0.1)])])
    score = score_detections(scene.dataset, scene.detections).score
    assert score.per_class == {"a": pytest.approx(1 / 101), "b": pytest.approx(1.0)}
    assert score.value == pycocotools_eval(scene)[0][0]


def test_images_may_be_matched_in_any_order() -> None:
    box, other = (10.0, 10.0, 20.0, 20.0), (60.0, 60.0, 20.0, 20.0)
    scene = scene_of([([Truth(0, box)], [Found(0, box, 0.5)]), ([Truth(0, box)], [Found(0, other, 0.5)])])
    matcher = Matcher(scene.dataset)
    matches = {i: matcher.match(i, scene.detections[i]) for i in (1, 0)}
    assert score_matches(scene.dataset, [matches[0], matches[1]]).score == (
        score_detections(scene.dataset, scene.detections).score
    )


def test_scoring_leaves_the_data_set_alone() -> None:
    box = (10.0, 10.0, 20.0, 20.0)
    scene = scene_of([([Truth(0, box)], [Found(0, box, 0.5)])])
    before = [dict(annotation) for annotation in scene.dataset.annotations]
    score_detections(scene.dataset, scene.detections)
    assert [dict(annotation) for annotation in scene.dataset.annotations] == before
