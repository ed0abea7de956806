from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from qpareto.errors import ModelError
from qpareto.objectives.accuracy.data.images import Geometry, letterbox
from qpareto.objectives.accuracy.heads import Detections, Head
from qpareto.objectives.accuracy.heads.head_kinds import HEADS, head_of_model
from qpareto.objectives.accuracy.heads.plain_heads import EndToEndHead, Yolov5Head, Yolov8Head

COCO = [f"class {i}" for i in range(80)]


@pytest.mark.parametrize(
    ("shapes", "names", "metadata", "head"),
    [
        ([(1, 84, 8400)], COCO, {"task": "detect"}, Yolov8Head(0, 80)),
        ([(1, 84, 8400)], None, {}, Yolov8Head(0, 80)),
        ([(4, 5, 2100)], ["only"], {}, Yolov8Head(0, 1)),
        ([(1, 25200, 85)], COCO, {}, Yolov5Head(0, 80)),
        ([(1, 25200, 85), (1, 3, 80, 80, 85), (1, 3, 40, 40, 85)], None, {}, Yolov5Head(0, 80)),
        ([(1, 25200, 6)], ["only"], {}, Yolov5Head(0, 1)),
        ([(1, 25200, 6)], None, {}, Yolov5Head(0, 1)),
        ([(1, 25500, 6)], ["only"], {}, Yolov5Head(0, 1)),  # four grids, 640 px
        ([(1, 300, 6)], COCO, {"end2end": "True"}, EndToEndHead(0, 80)),
        ([(1, 300, 6)], ["only"], {}, EndToEndHead(0, 1)),
        ([(1, 300, 6)], None, {}, EndToEndHead(0, None)),
        ([(1, 630, 6)], ["only"], {"end2end": "True"}, EndToEndHead(0, 1)),
    ],
)
def test_heads_are_recognised_by_shape_names_and_metadata(
    shapes: list[tuple[int, ...]], names: list[str] | None, metadata: dict[str, str], head: Head
) -> None:
    assert head_of_model(shapes, names, metadata) == head


def test_the_study_file_can_say_which_head_it_is() -> None:
    assert head_of_model([(1, 300, 6)], ["only"], {}, override="yolov5") == Yolov5Head(0, 1)
    assert head_of_model([(1, 630, 6)], ["only"], {}, override="end2end") == EndToEndHead(0, 1)


@pytest.mark.parametrize(
    ("shapes", "names", "metadata", "override", "says"),
    [
        ([(1, 1000)], None, {}, None, r"Outputs \[1, 1000\] fit no known head.*set head in the study file"),
        ([(1, 116, 8400), (1, 32, 160, 160)], COCO, {}, None, "with 80 class names fit no known head"),
        ([(1, 84, 8400), (1, 84, 8400)], COCO, {}, None, r"'yolov8' \(output 0\) and 'yolov8' \(output 1\)"),
        ([(1, 84, 8400)], COCO, {}, "yolov5", "fit no known head"),
        ([(1, 84, 8400)], COCO, {}, "yolov9", "no head 'yolov9': set head to one of yolov8, yolov5, end2end"),
        ([(1, 56, 8400)], ["person"], {"task": "obb"}, None, "oriented boxes are not scored"),
    ],
)
def test_what_is_no_known_head_is_refused_with_its_shapes(
    shapes: list[tuple[int, ...]], names: list[str] | None, metadata: dict[str, str], override: str | None, says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        head_of_model(shapes, names, metadata, override)


# Two boxes far apart, 20 x 10 and 30 x 40, of three classes.
CENTRES = np.array([[50, 40, 20, 10], [200, 100, 30, 40]], np.float32)
CORNERS = [[40, 35, 60, 45], [185, 80, 215, 120]]
SCORES = np.array([[0.9, 0.0005, 0.2], [0.0, 0.5, 0.0]], np.float32)


def raw_output(kind: str, boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """One image as a head of this kind puts it out: boxes by centre and size, scores [boxes, classes]."""
    if kind == "yolov8":
        return np.concatenate((boxes, scores), axis=1).T[None]
    objectness = np.full((len(boxes), 1), 0.5, np.float32)
    return np.concatenate((boxes, objectness, scores / 0.5), axis=1)[None]


@pytest.mark.parametrize("kind", ["yolov8", "yolov5"])
def test_a_box_counts_for_every_class_above_the_floor(kind: str) -> None:
    (found,) = HEADS[kind](0, 3).detections([raw_output(kind, CENTRES, SCORES)])
    assert found.boxes.tolist() == [CORNERS[0], CORNERS[1], CORNERS[0]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.5, 0.2])
    assert found.classes.tolist() == [0, 1, 2]


def test_objectness_below_the_floor_silences_a_yolov5_box() -> None:
    rows = raw_output("yolov5", CENTRES, SCORES)
    rows[0, 0, 4] = 0.001
    (found,) = Yolov5Head(0, 3).detections([rows])
    assert found.classes.tolist() == [1]


def test_end_to_end_rows_that_are_not_finite_are_dropped() -> None:
    rows = np.array([[[1, 2, 30, 40, 0.9, np.nan], [1, np.inf, 2, 3, 0.9, 0], [1, 2, 3, 4, 0.5, 1]]], np.float32)
    (found,) = EndToEndHead(0, 2).detections([rows])
    assert found.boxes.tolist() == [[1, 2, 3, 4]]


def test_end_to_end_boxes_are_taken_as_they_are() -> None:
    rows = np.array([[[1, 2, 30, 40, 0.2, 1], [2, 2, 30, 40, 0.9, 1], [0, 0, 0, 0, 0.001, 0]]], np.float32)
    (found,) = EndToEndHead(0, 2).detections([rows])
    assert found.boxes.tolist() == [[2, 2, 30, 40], [1, 2, 30, 40]]
    assert found.classes.tolist() == [1, 1]


@pytest.mark.parametrize(("kind", "kept"), [("yolov8", 2), ("yolov5", 1)])
def test_each_family_suppresses_at_the_overlap_it_is_validated_with(kind: str, kept: int) -> None:
    boxes = np.array([[50, 50, 100, 20], [50, 50, 65, 20]], np.float32)  # IoU 0.65
    (found,) = HEADS[kind](0, 1).detections([raw_output(kind, boxes, np.array([[0.9], [0.8]], np.float32))])
    assert len(found.scores) == kept


def test_every_image_of_a_batch_has_its_own_detections() -> None:
    one, other = (raw_output("yolov8", CENTRES[i : i + 1], SCORES[i : i + 1]) for i in (0, 1))
    found = Yolov8Head(0, 3).detections([np.concatenate((one, other))])
    assert [detections.classes.tolist() for detections in found] == [[0, 2], [1]]


def test_only_the_best_three_hundred_boxes_of_an_image_stay() -> None:
    boxes = np.array([[20 * (i % 30), 20 * (i // 30), 10, 10] for i in range(400)], np.float32)
    scores = np.linspace(0.1, 0.9, 400, dtype=np.float32)[:, None]
    (found,) = Yolov8Head(0, 1).detections([raw_output("yolov8", boxes, scores)])
    assert found.scores.tolist() == scores[:99:-1, 0].tolist()


@pytest.mark.parametrize("kind", ["yolov8", "yolov5"])
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_boxes_and_scores_that_are_not_finite_are_dropped(kind: str, broken: float) -> None:
    boxes, scores = CENTRES.copy(), SCORES.copy()
    boxes[0] = broken
    scores[1, 0] = broken
    (found,) = HEADS[kind](0, 3).detections([raw_output(kind, boxes, scores)])
    assert found.boxes.tolist() == [CORNERS[1]]
    assert found.classes.tolist() == [1]


@pytest.mark.parametrize("kind", ["yolov8", "yolov5", "end2end"])
def test_an_image_may_have_no_detections(kind: str) -> None:
    shapes = {"yolov8": (1, 7, 10), "yolov5": (1, 10, 8), "end2end": (1, 10, 6)}
    (found,) = HEADS[kind](0, 3).detections([np.zeros(shapes[kind], np.float32)])
    assert (found.boxes.shape, found.scores.shape, found.classes.shape) == ((0, 4), (0,), (0,))


@pytest.mark.parametrize("size", [(480, 640), (641, 333), (50, 40), (320, 320)])
def test_boxes_come_back_to_where_they_are_on_the_image(size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    _, scale, (left, top) = letterbox(image, 320, 320)
    geometry = Geometry(scale, left, top, size[1], size[0])
    on_image = np.array([[3, 4, 30, 20], [0, 0, size[1], size[0]]], np.float32)
    letterboxed = on_image * scale + [left, top, left, top]
    found = Detections(letterboxed.astype(np.float32), np.ones(2, np.float32), np.zeros(2, np.intp))
    assert found.on_image(geometry).boxes == pytest.approx(on_image, abs=1e-3)


def test_boxes_are_clipped_to_the_image() -> None:
    found = Detections(np.array([[-5, 0, 700, 640]], np.float32), np.ones(1, np.float32), np.zeros(1, np.intp))
    assert found.on_image(Geometry(1.0, 0, 80, 640, 480)).boxes.tolist() == [[0, 0, 640, 480]]
