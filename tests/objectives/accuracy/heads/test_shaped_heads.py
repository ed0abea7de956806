from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.heads import Head
from qpareto.objectives.accuracy.heads.head_kinds import head_of_model
from qpareto.objectives.accuracy.heads.shaped_heads import ShapedHead
from qpareto.objectives.accuracy.heads.shapes import KeyPoints, Prototypes
from qpareto.objectives.accuracy.output_error import OutputError
from qpareto.objectives.accuracy.parity import parity_of_outputs
from qpareto.objectives.accuracy.tasks import POSE, SEGMENT

COCO = [f"class {i}" for i in range(80)]
SIZE = (64, 64)
BOXES = np.array([[10, 10, 30, 30], [40, 20, 60, 50]], np.float32)  # corners
SCORES = np.array([[0.9, 0.0, 0.0], [0.0, 0.0, 0.6]], np.float32)
POINTS = np.arange(2 * 2 * 3, dtype=np.float32).reshape(2, 2, 3) + 12


@pytest.mark.parametrize(
    ("shapes", "names", "metadata", "kind", "told"),
    [
        ([(1, 116, 8400), (1, 32, 160, 160)], COCO, {"task": "segment"}, "yolov8-seg", 80),
        ([(1, 116, 8400), (1, 32, 160, 160)], None, {}, "yolov8-seg", 80),
        ([(1, 116, 84), (1, 32, 16, 16)], COCO, {"task": "segment"}, "yolov8-seg", 80),  # of 64 x 64 pixels
        ([(1, 135, 84)], COCO, {"task": "pose", "kpt_shape": "[17, 3]"}, "yolov8-pose", (17, 3)),
        ([(1, 300, 38), (1, 32, 160, 160)], COCO, {"task": "segment"}, "end2end-seg", 80),
        ([(1, 56, 8400)], ["person"], {"task": "pose", "kpt_shape": "[17, 3]"}, "yolov8-pose", (17, 3)),
        ([(1, 11, 8400)], ["person"], {"task": "pose", "kpt_shape": "[3, 2]"}, "yolov8-pose", (3, 2)),
        ([(1, 300, 57)], ["person"], {"task": "pose", "kpt_shape": "[17, 3]"}, "end2end-pose", (17, 3)),
    ],
)
def test_heads_of_masks_and_poses_are_recognised(
    shapes: list[tuple[int, ...]], names: list[str] | None, metadata: dict[str, str], kind: str, told: object
) -> None:
    head = head_of_model(shapes, names, metadata, size=(640, 640))
    assert head.kind == kind
    assert told == (head.points if head.task is POSE else head.classes)  # type: ignore[attr-defined]


def flat(kind: str, more: NDArray[np.float32]) -> NDArray[np.float32]:
    """One image's output with these columns beside the two boxes, and rows without an object."""
    if kind.startswith("end2end"):
        best = SCORES.argmax(axis=1)[:, None].astype(np.float32)
        rows = np.concatenate([BOXES, SCORES.max(axis=1, keepdims=True), best, more], axis=1)
        return np.concatenate([rows, np.zeros((38, rows.shape[1]), np.float32)])[None]
    middles, sizes = (BOXES[:, :2] + BOXES[:, 2:]) / 2, BOXES[:, 2:] - BOXES[:, :2]
    rows = np.concatenate([middles, sizes, SCORES, more], axis=1)
    return np.concatenate([rows, np.zeros((38, rows.shape[1]), np.float32)]).T[None]


def made(kind: str) -> tuple[Head, list[NDArray[np.float32]]]:
    """A head, and outputs with two boxes that it reads."""
    rng = np.random.default_rng(0)
    outputs, metadata = [flat(kind, POINTS.reshape(2, -1))], {"task": "pose", "kpt_shape": "[2, 3]"}
    if kind.endswith("seg"):
        grid = rng.normal(size=(1, 4, 16, 16)).astype(np.float32)
        outputs, metadata = [flat(kind, rng.normal(size=(2, 4)).astype(np.float32)), grid], {"task": "segment"}
    return head_of_model([output.shape for output in outputs], ["a", "b", "c"], metadata, size=SIZE), outputs


KINDS = ("yolov8-seg", "end2end-seg", "yolov8-pose", "end2end-pose")


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_come_with_what_stands_beside_them(kind: str) -> None:
    head, outputs = made(kind)
    (found,) = head.detections(outputs)
    assert found.boxes.tolist() == BOXES.tolist()
    assert found.classes.tolist() == [0, 2]
    assert found.scores.tolist() == pytest.approx([0.9, 0.6])
    if head.task is SEGMENT:
        assert isinstance(found.shapes, Prototypes)
        beside = outputs[0][0, :2, 6:] if kind.startswith("end2end") else outputs[0][0, 7:, :2].T
        assert np.array_equal(found.shapes.coefficients, beside)
        assert np.array_equal(found.shapes.prototypes, outputs[1][0])
        assert found.shapes.stride == (4.0, 4.0)
    else:
        assert isinstance(found.shapes, KeyPoints)
        assert np.array_equal(found.shapes.points, POINTS)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_beside_the_boxes_counts_in_parity_and_in_the_output_error(kind: str) -> None:
    head, outputs = made(kind)
    other = [output.copy() for output in outputs]
    if head.task is SEGMENT:
        other[1] *= -1  # every pixel changes sides
    elif kind.startswith("end2end"):
        other[0][0, :2, 6:] += 10
    else:
        other[0][0, 7:, :2] += 10
    same, apart = (parity_of_outputs(head.read(each), head.read(outputs), head) for each in (outputs, other))
    assert (same.box_error, same.score_error, same.shape_error) == (0, 0, 0)
    assert (apart.box_error, apart.score_error) == (0, 0)
    assert apart.shape_error is not None
    assert apart.shape_error > 0.3
    error = OutputError(head)
    assert error(outputs, outputs)[0].tolist() == pytest.approx([0, 0, 1.5])
    box, score, total = error(outputs, other)[0]
    assert box > 0.3
    assert (score, total) == (0, pytest.approx(1.5))


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_that_is_not_finite_is_dropped(kind: str) -> None:
    head, outputs = made(kind)
    if kind.startswith("end2end"):
        outputs[0][0, 0, 0] = np.nan
    else:
        outputs[0][0, 0, 0] = np.inf
    (found,) = head.detections(outputs)
    assert found.classes.tolist() == [2]


def test_another_number_of_key_points_is_refused() -> None:
    head, _ = made("yolov8-pose")
    head.refuse_other(2)
    with pytest.raises(DatasetError, match="labels 17 key points, but the model finds 2"):
        head.refuse_other(17)
    assert isinstance(head, ShapedHead)
