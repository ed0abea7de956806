from __future__ import annotations

import numpy as np
import pytest

from qpareto.errors import ModelError
from qpareto.objectives.accuracy.heads.class_head import ClassHead
from qpareto.objectives.accuracy.heads.head_kinds import head_of_model
from qpareto.objectives.accuracy.output_error import OutputError
from qpareto.objectives.accuracy.parity import parity_of_outputs
from qpareto.objectives.accuracy.tasks import CLASSIFY

NAMES = ("a", "b", "c")
HEAD = ClassHead(0, 3, (64, 96))
TOLD = {"task": "classify"}


def test_a_model_of_the_task_with_a_score_a_class_is_a_classifier() -> None:
    head = head_of_model([(1, 3)], NAMES, TOLD, size=(64, 96))
    assert head == HEAD
    assert head.task is CLASSIFY
    assert head.preprocessing.fit == "crop"


def test_without_the_task_it_must_be_named() -> None:
    with pytest.raises(ModelError, match="fit no known head"):
        head_of_model([(1, 3)], NAMES, {}, size=(64, 96))
    assert head_of_model([(1, 3)], NAMES, {}, "classify", size=(64, 96)) == HEAD


def test_a_classifier_of_another_number_of_classes_than_names_is_refused() -> None:
    with pytest.raises(ModelError, match="fit no known head"):
        head_of_model([(1, 4)], NAMES, TOLD, size=(64, 96))


def test_every_class_is_found_in_the_whole_image_the_best_first() -> None:
    (found,) = HEAD.detections([np.array([[0.0, 0.9, 0.1]], np.float32)])
    assert found.classes.tolist() == [1, 2, 0]
    assert found.scores.tolist() == pytest.approx([0.9, 0.1, 0.0])
    assert found.boxes.tolist() == [[0, 0, 96, 64]] * 3


def test_scores_that_are_not_finite_are_dropped() -> None:
    (found,) = HEAD.detections([np.array([[np.nan, 0.9, np.inf]], np.float32)])
    assert found.classes.tolist() == [1]


def test_parity_compares_the_scores_of_each_class() -> None:
    expected = np.array([[0.6, 0.4, 0.0]] * 8, np.float32)
    found = np.array([[0.5, 0.5, 0.0]] * 8, np.float32)
    parity = parity_of_outputs(found, expected, HEAD)
    assert (parity.box_error, parity.box_shift) == (0, 0)
    assert parity.score_error == pytest.approx(0.1)
    swapped = parity_of_outputs(expected[:, ::-1].copy(), expected, HEAD)
    assert swapped.score_error == pytest.approx(0.6)


def test_the_error_of_an_output_is_the_largest_change_of_a_class_by_the_confidence() -> None:
    error = OutputError(HEAD)([np.array([[0.6, 0.4, 0.0]])], [np.array([[0.3, 0.5, 0.2]])])
    assert error.tolist() == [pytest.approx([0.0, 0.6 * 0.3, 0.6])]
