from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.objectives.accuracy.heads.head_kinds import HEADS
from qpareto.objectives.accuracy.output_error import OutputError

BOXES = 6


def raw(kind: str, boxes: Any, scores: Any, *, objectness: float = 1.0) -> Any:
    """Outputs of one image: boxes [n, 4] as centre and size, scores [n, classes]."""
    boxes, scores = np.array(boxes, np.float32), np.array(scores, np.float32)
    if kind == "yolov8":
        return (np.concatenate((boxes, scores), axis=1).T[None],)
    if kind == "yolov5":
        return (np.concatenate((boxes, np.full((len(boxes), 1), objectness), scores), axis=1)[None].astype(np.float32),)
    corners = np.concatenate((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), axis=1)
    best = scores.max(axis=1, keepdims=True)
    return (np.concatenate((corners, best, scores.argmax(axis=1)[:, None]), axis=1)[None].astype(np.float32),)


def error_of(kind: str) -> OutputError:
    return OutputError(HEADS[kind](0, 2))


@pytest.mark.parametrize("kind", ["yolov8", "yolov5", "end2end"])
def test_a_moved_box_and_a_changed_score_are_told_apart_and_weighted_by_confidence(kind: str) -> None:
    boxes, scores = [[50, 50, 20, 20], [150, 50, 20, 20]], [[0.8, 0.1], [0.1, 0.4]]
    # The first box moves by half its width: IoU 1/3. The second one's score falls by a quarter.
    moved, fallen = [[60, 50, 20, 20], [150, 50, 20, 20]], [[0.8, 0.1], [0.1, 0.3]]
    found = error_of(kind)(raw(kind, boxes, scores), raw(kind, moved, fallen))
    np.testing.assert_allclose(found, [[0.8 * 2 / 3, 0.4 * 0.1, 1.2]], rtol=1e-5)


def test_objectness_scales_scores_and_confidence() -> None:
    one, other = (
        raw("yolov5", [[9, 9, 4, 4]], [[0.8, 0.2]], objectness=0.5),
        raw("yolov5", [[9, 9, 4, 4]], [[0.4, 0.1]]),
    )
    np.testing.assert_allclose(error_of("yolov5")(one, other), [[0, 0, 0.4]], atol=1e-7)


def test_the_score_error_is_that_of_the_class_that_changed_most() -> None:
    one, other = raw("yolov8", [[9, 9, 4, 4]], [[0.8, 0.1]]), raw("yolov8", [[9, 9, 4, 4]], [[0.7, 0.6]])
    np.testing.assert_allclose(error_of("yolov8")(one, other), [[0, 0.8 * 0.5, 0.8]], rtol=1e-6)


def test_what_the_float_model_does_not_see_has_no_weight() -> None:
    one = raw("yolov8", [[9, 9, 4, 4], [30, 9, 4, 4]], [[0.8, 0.1], [0.0005, 0.0]])
    other = raw("yolov8", [[9, 9, 4, 4], [99, 9, 4, 4]], [[0.8, 0.1], [0.9, 0.0]])
    np.testing.assert_allclose(error_of("yolov8")(one, other), [[0, 0, 0.8]], atol=1e-7)


@pytest.mark.parametrize("kind", ["yolov8", "yolov5", "end2end"])
def test_an_image_without_anything_confident_has_sums_of_nothing(kind: str) -> None:
    nothing = raw(kind, [[9, 9, 4, 4]], [[0.0, 0.0]])
    assert error_of(kind)(nothing, nothing).tolist() == [[0, 0, 0]]


def test_end_to_end_boxes_are_paired_by_class_and_overlap_in_any_order() -> None:
    boxes, scores = [[50, 50, 20, 20], [150, 50, 20, 20]], [[0.8, 0.0], [0.0, 0.4]]
    one = raw("end2end", boxes, scores)
    np.testing.assert_allclose(error_of("end2end")(one, (one[0][:, ::-1],)), [[0, 0, 1.2]], atol=1e-9)


def test_an_end_to_end_box_of_another_class_is_lost() -> None:
    one, other = raw("end2end", [[50, 50, 20, 20]], [[0.8, 0]]), raw("end2end", [[50, 50, 20, 20]], [[0, 0.8]])
    np.testing.assert_allclose(error_of("end2end")(one, other), [[0.8, 0.8 * 0.8, 0.8]], rtol=1e-6)


numbers = st.floats(width=32)  # infinities and NaN among them


@pytest.mark.parametrize("kind", ["yolov8", "yolov5", "end2end"])
@given(values=st.lists(numbers, min_size=7 * BOXES, max_size=7 * BOXES), seed=st.integers(0, 99))
def test_errors_are_bounded_by_the_weight_whatever_comes_out(kind: str, values: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(0, 60, (BOXES, 4))
    wanted = raw(kind, boxes, rng.uniform(0, 1, (BOXES, 2)))
    found = (np.array(values, np.float32)[: wanted[0].size].reshape(wanted[0].shape),)
    ((box, score, weight),) = error_of(kind)(wanted, found)
    assert 0 <= box <= weight * (1 + 1e-9)
    assert 0 <= score <= weight * (1 + 1e-9)
    same = error_of(kind)(wanted, wanted)
    np.testing.assert_allclose(same, [[0, 0, weight]], atol=1e-6)


def test_every_image_of_a_batch_has_a_row() -> None:
    one = np.concatenate([raw("yolov8", [[9, 9, 4, 4]], [[score, 0.0]])[0] for score in (0.2, 0.6)])
    np.testing.assert_allclose(error_of("yolov8")((one,), (one,)), [[0, 0, 0.2], [0, 0, 0.6]], atol=1e-6)
