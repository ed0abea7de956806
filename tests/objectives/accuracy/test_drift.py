"""What exchanging one engine for another changes, against counting done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from coco_scenes import Found, Scene, Truth, scene_of, scenes, score_detections
from qpareto.objectives.accuracy.coco import Accuracy
from qpareto.objectives.accuracy.drift import CONFIDENCES, Counts, Drift, drift_of, f1_of_confidences

NEAR, FAR, BIG = (10.0, 10.0, 20.0, 20.0), (90.0, 90.0, 20.0, 20.0), (0.0, 0.0, 150.0, 150.0)
TRUE = [Truth(0, NEAR), Truth(1, BIG)]


def accuracy_of(scene: Scene) -> Accuracy:
    return score_detections(scene.dataset, scene.detections)


def drift(found: list[list[Found]], found_by_reference: list[list[Found]]) -> Drift:
    """Of two engines on images with a small box of class a and a large one of class b each."""
    one, other = (scene_of([(TRUE, boxes) for boxes in side]) for side in (found, found_by_reference))
    return drift_of(accuracy_of(one), accuracy_of(other), one.dataset)


BOTH = [Found(0, NEAR, 0.605), Found(1, BIG, 0.805)]


def test_an_engine_that_finds_the_same_has_no_drift() -> None:
    same = drift([BOTH, BOTH], [BOTH, BOTH])
    assert same.confidence.best == same.confidence.reference_best
    assert same.confidence.f1 == same.confidence.reference_f1
    assert [part.change for part in (*same.classes, *same.sizes)] == [0, 0, 0, 0]
    assert (same.images, same.images_changed, same.images_seen) == ((), 0, 2)


def test_a_false_alarm_moves_the_best_confidence_above_it_and_f1_at_the_old_one_tells_the_price() -> None:
    alarm = [*BOTH, Found(0, FAR, 0.305)]
    shift = drift([alarm], [BOTH]).confidence
    assert (shift.reference_best, shift.reference_best_f1) == (0.01, 1.0)
    assert (shift.best, shift.best_f1) == (0.31, 1.0)
    assert shift.f1_kept == pytest.approx((2 / 3 + 1) / 2)


def test_lower_scores_lower_the_curve_beyond_them() -> None:
    shift = drift([[Found(0, NEAR, 0.405), Found(1, BIG, 0.805)]], [BOTH]).confidence
    at = {confidence: i for i, confidence in enumerate(CONFIDENCES)}
    assert [shift.f1[at[c]] for c in (0.40, 0.41, 0.80, 0.81)] == [1.0, 0.5, 0.5, 0.0]
    assert [shift.reference_f1[at[c]] for c in (0.41, 0.60, 0.61)] == [1.0, 1.0, 0.5]


@given(scenes())
def test_f1_is_the_mean_over_classes_of_what_its_definition_counts(scene: Scene) -> None:
    table = accuracy_of(scene).matches
    expected = []
    for confidence in CONFIDENCES[::7]:
        of_classes = []
        for k in np.flatnonzero(table.truths.sum(axis=0)):
            rows = (table.classes == k) & (table.scores >= confidence) & table.counted[0]
            hits, truths = int(table.correct[0][rows].sum()), int(table.truths[:, k].sum())
            precision, recall = hits / max(int(rows.sum()), 1), hits / truths
            of_classes.append(2 * precision * recall / (precision + recall) if hits else 0.0)
        expected.append(sum(of_classes) / len(of_classes))
    assert f1_of_confidences(table, CONFIDENCES[::7]) == pytest.approx(np.array(expected))


def test_classes_and_sizes_tell_who_loses_the_greatest_loss_first() -> None:
    one_lost = drift([BOTH, BOTH[:1]] * 20, [BOTH, BOTH] * 20)
    assert [(part.name, part.change, part.truths) for part in one_lost.classes] == [
        ("b", pytest.approx(-0.5, abs=0.01), 40),
        ("a", 0.0, 40),
    ]
    low, high = one_lost.classes[0].change_ci or (0.0, 0.0)
    assert -0.75 < low < -0.5 < high < -0.25
    assert one_lost.classes[1].change_ci == (0.0, 0.0)
    assert [(part.name, part.change) for part in one_lost.sizes] == [
        ("small", 0.0),
        ("large", pytest.approx(-0.5, abs=0.01)),
    ]


def test_a_class_in_a_single_image_has_an_interval_all_the_same() -> None:
    scene = scene_of([(TRUE, BOTH), ([TRUE[0]], BOTH[:1])])
    (rare, _) = sorted(
        drift_of(accuracy_of(scene), accuracy_of(scene), scene.dataset).classes, key=lambda p: -ord(p.name)
    )
    assert (rare.name, rare.truths, rare.change_ci) == ("b", 1, (0.0, 0.0))


def test_the_images_that_changed_most_come_first_with_what_was_hit_missed_and_made_up() -> None:
    found = [BOTH, BOTH[:1], [], [*BOTH, Found(1, NEAR, 0.505)]]
    changed = drift(found, [BOTH] * 4)
    assert [image.file_name for image in changed.images] == ["2.png", "1.png", "3.png"]
    assert [image.index for image in changed.images] == [2, 1, 3]
    assert [image.counts for image in changed.images] == [Counts(0, 2, 0), Counts(1, 1, 0), Counts(2, 0, 1)]
    assert {image.reference_counts for image in changed.images} == {Counts(2, 0, 0)}
    assert changed.images[0].f1_change == -1.0
    assert (changed.images_changed, changed.images_seen) == (3, 4)


def test_a_gain_stands_behind_a_loss_of_its_size() -> None:
    changed = drift([BOTH, BOTH[:1]], [BOTH[:1], BOTH])
    assert [image.f1_change for image in changed.images] == [pytest.approx(-1 / 3), pytest.approx(1 / 3)]


def test_matches_of_another_data_set_are_refused() -> None:
    one, other = (scene_of([(TRUE, BOTH)] * n) for n in (1, 2))
    with pytest.raises(ValueError, match="the matches are not of made up"):
        drift_of(accuracy_of(one), accuracy_of(other), one.dataset)
    with pytest.raises(ValueError, match="the matches are not of made up"):
        drift_of(accuracy_of(one), accuracy_of(one), other.dataset)
