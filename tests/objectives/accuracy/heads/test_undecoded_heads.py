"""Heads whose boxes are still to be decoded from the cells of grids; on made-up outputs, and on real models."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from qpareto.errors import ModelError
from qpareto.objectives.accuracy.data.evaluation_set import EvaluationSet
from qpareto.objectives.accuracy.data.reading import dataset_from_coco
from qpareto.objectives.accuracy.heads import Head, Shape
from qpareto.objectives.accuracy.heads.head_kinds import head_of, head_of_model
from qpareto.objectives.accuracy.heads.plain_heads import DetrEndToEndHead, EndToEndHead, Yolov5Head
from qpareto.objectives.accuracy.heads.undecoded_heads import (
    DetrHead,
    NanoDetHead,
    NanoDetPlusHead,
    PicoDetHead,
    YoloxHead,
    is_decoded,
)
from qpareto.objectives.accuracy.plausible import FirstLook
from qpareto.objectives.store import Store
from qpareto.spaces.model import read_model

SIZE = 64, 96  # grids of 8 x 12, 4 x 6, 2 x 3 and 1 x 2 cells
CELLS = 96 + 24 + 6
PICODET = [(1, n, 3) for n in (96, 24, 6, 2)] + [(1, n, 32) for n in (96, 24, 6, 2)]


def yolox_output(cell: int, raw: list[float]) -> NDArray[np.float32]:
    """One image of three classes in which nothing is found but in one cell."""
    rows = np.zeros((1, CELLS, 8), np.float32)
    rows[0, cell] = raw
    return rows


@pytest.mark.parametrize(
    ("cell", "middle", "stride"),
    [(0, (4, 4), 8), (13, (12, 12), 8), (96, (8, 8), 16), (120 + 5, (80, 48), 32)],
)
def test_a_yolox_box_lies_where_its_cell_does_and_is_as_large_as_its_logarithms_say(
    cell: int, middle: tuple[float, float], stride: int
) -> None:
    raw = [0.5, 0.5, np.log(2), np.log(0.5), 0.8, 0.0, 0.5, 0.0]
    (found,) = YoloxHead(0, 3, SIZE).detections([yolox_output(cell, raw)])
    x, y = middle
    wanted = [[x - stride, y - stride / 4, x + stride, y + stride / 4]]
    assert found.boxes == pytest.approx(np.array(wanted), abs=1e-4)
    assert (found.scores.tolist(), found.classes.tolist()) == (pytest.approx([0.4]), [1])


def test_yolox_boxes_that_are_not_finite_are_dropped() -> None:
    for broken in (np.nan, np.inf, 1e30):
        (found,) = YoloxHead(0, 3, SIZE).detections([yolox_output(7, [0, 0, broken, 0, 1, 1, 1, 1])])
        assert len(found.scores) == 0


def picodet_outputs(grid: int, cell: int, distances: list[int], score: float) -> list[NDArray[np.float32]]:
    """One image of three classes in which one cell of one grid is sure of its four distances, in strides."""
    outputs: list[NDArray[np.float32]] = [np.zeros(shape, np.float32) for shape in PICODET]
    outputs[grid][0, cell, 2] = score
    for side, distance in enumerate(distances):
        outputs[4 + grid][0, cell, 8 * side + distance] = 50.0
    return outputs


@pytest.mark.parametrize(
    ("grid", "cell", "box"),
    [(0, 13, [4, -4, 36, 44]), (1, 0, [-8, -24, 56, 72]), (3, 1, [32, -96, 288, 288])],
)
def test_a_picodet_box_has_the_likeliest_distances_from_the_middle_of_its_cell(
    grid: int, cell: int, box: list[float]
) -> None:
    head = PicoDetHead(4, 3, SIZE, (0, 1, 2, 3), (4, 5, 6, 7))
    (found,) = head.detections(picodet_outputs(grid, cell, [1, 2, 3, 4], 0.7))
    assert found.boxes == pytest.approx(np.array([box]), abs=1e-3)
    assert (found.scores.tolist(), found.classes.tolist()) == (pytest.approx([0.7]), [2])


def test_of_two_likely_distances_the_mean_is_taken() -> None:
    outputs = picodet_outputs(0, 0, [1, 1, 1, 1], 0.7)
    outputs[4][0, 0, 5] = 50.0  # of the left side, as likely as 1
    (found,) = PicoDetHead(4, 3, SIZE, (0, 1, 2, 3), (4, 5, 6, 7)).detections(outputs)
    assert found.boxes.tolist() == [pytest.approx([4 - 3 * 8, 4 - 8, 4 + 8, 4 + 8], abs=1e-3)]


def nanodet(path: Path, strides: tuple[int, ...], *, classes: int, distances: int) -> Path:
    """A model of random weights with NanoDet's output: a convolution for each grid, scores squashed, joined by cell."""
    random, parts = np.random.default_rng(0), np.array([classes, 4 * distances])
    weights, nodes, grids = [numpy_helper.from_array(parts, "parts")], [], []
    for stride in strides:
        values = random.normal(0, 1.5, (parts.sum(), 3, stride, stride)).astype(np.float32) / stride
        weights.append(numpy_helper.from_array(values, f"weight {stride}"))
        pads = [0, 0, -SIZE[0] % stride, -SIZE[1] % stride]
        steps: dict[str, Any] = {"kernel_shape": [stride, stride], "strides": [stride, stride], "pads": pads}
        nodes += [
            helper.make_node("Conv", ["image", f"weight {stride}"], [f"grid {stride}"], f"grid {stride}", **steps),
            helper.make_node("Split", [f"grid {stride}", "parts"], [f"logits {stride}", f"sides {stride}"], axis=1),
            helper.make_node("Sigmoid", [f"logits {stride}"], [f"scores {stride}"]),
            helper.make_node("Concat", [f"scores {stride}", f"sides {stride}"], [f"both {stride}"], axis=1),
            helper.make_node("Flatten", [f"both {stride}"], [f"flat {stride}"], axis=2),
            helper.make_node("Reshape", [f"flat {stride}", "shape"], [f"cells {stride}"]),
        ]
        grids.append(f"cells {stride}")
    weights.append(numpy_helper.from_array(np.array([1, parts.sum(), -1]), "shape"))
    nodes.append(helper.make_node("Concat", grids, ["all"], axis=2))
    nodes.append(helper.make_node("Transpose", ["all"], ["output"], perm=[0, 2, 1]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *SIZE])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
    graph, opset = helper.make_graph(nodes, "nanodet", [image], [output], weights), helper.make_opsetid("", 13)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return path


def decoded_one_by_one(output: NDArray[np.float32], strides: tuple[int, ...], place: float) -> list[list[float]]:
    """NanoDet's decoding of [cells, 3 + 32], a cell after the other: class, score, and corners of all above 0.5."""
    found, cell = [], 0
    for stride in strides:
        for row in range(math.ceil(SIZE[0] / stride)):
            for column in range(math.ceil(SIZE[1] / stride)):
                values = [float(value) for value in output[cell]]
                sides = []
                for side in range(4):
                    likely = [math.exp(value) for value in values[3 + 8 * side : 11 + 8 * side]]
                    sides.append(stride * sum(i * each for i, each in enumerate(likely)) / sum(likely))
                x, y = (column + place) * stride, (row + place) * stride
                corners = [x - sides[0], y - sides[1], x + sides[2], y + sides[3]]
                found += [[i, values[i], *corners] for i in range(3) if values[i] > 0.5]
                cell += 1
    return found


@pytest.mark.parametrize(
    ("kind", "strides", "place"), [(NanoDetHead, (8, 16, 32), 0.5), (NanoDetPlusHead, (8, 16, 32, 64), 0.0)]
)
def test_nanodet_is_decoded_as_cell_by_cell(
    tmp_path: Path, kind: type[NanoDetHead], strides: tuple[int, ...], place: float
) -> None:
    path = nanodet(tmp_path / "nano.onnx", strides, classes=3, distances=8)
    head = head_of(read_model(path), override=kind.kind)
    assert head == kind(0, 3, SIZE)
    if kind is NanoDetPlusHead:
        assert head_of(read_model(path)) == head, "no other has so many cells"
    image = np.random.default_rng(1).random((1, 3, *SIZE), dtype=np.float32)
    (output,) = onnxruntime.InferenceSession(str(path)).run(None, {"image": image})
    expected = np.array(decoded_one_by_one(output[0], strides, place))
    assert len(expected) > 5
    boxes, scores, classes = head.candidates(head.read([output])[0])
    sure = scores > 0.5
    found = np.column_stack([classes[sure], scores[sure], boxes[sure]])
    assert found == pytest.approx(expected, abs=1e-3)
    assert "BGR, 0 to 255, less [103.53" in str(head.preprocessing)


def test_a_detr_box_is_told_in_parts_of_the_image_and_scores_by_logits() -> None:
    logits = np.full((1, 300, 3), -1e3, np.float32)
    boxes = np.zeros((1, 300, 4), np.float32)
    logits[0, 7, 2], boxes[0, 7] = 0.0, [0.5, 0.25, 0.5, 0.25]
    logits[0, 9, 1], boxes[0, 9] = 5.0, [0.5, 0.25, 0.5, 0.25]
    (found,) = DetrHead(1, 3, SIZE, 0).detections([logits, boxes])
    assert found.boxes.tolist() == [[24, 8, 72, 24], [24, 8, 72, 24]], "what overlaps stays: it suppresses itself"
    assert (found.scores.tolist(), found.classes.tolist()) == (pytest.approx([0.9933, 0.5], abs=1e-4), [1, 2])


def test_a_detr_with_its_postprocessor_tells_labels_corners_and_scores_in_outputs_of_their_own() -> None:
    labels, scores = np.array([[2, 0, 1]], np.float32), np.array([[0.9, 0.5, 0.0]], np.float32)
    boxes = np.array([[[1, 2, 30, 40], [1, 2, 30, 41], [0, 0, 1, 1]]], np.float32)
    head = DetrEndToEndHead(1, None, 0, 2)
    (found,) = head.detections([labels, boxes, scores])
    assert (found.boxes.tolist(), found.classes.tolist()) == (boxes[0, :2].tolist(), [2, 0])
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])
    assert head.preprocessing.fit == "stretch"


@pytest.mark.parametrize(
    ("shapes", "names", "decoded", "head"),
    [
        ([(1, CELLS, 8)], None, False, YoloxHead(0, 3, SIZE)),
        ([(1, CELLS, 8)], ["a", "b", "c"], False, YoloxHead(0, 3, SIZE)),
        ([(1, CELLS, 6)], ["only"], False, YoloxHead(0, 1, SIZE)),
        ([(1, CELLS, 6)], None, False, YoloxHead(0, 1, SIZE)),
        ([(1, CELLS, 8)], None, True, Yolov5Head(0, 3)),  # a row for each cell, decoded: YOLOv6
        ([(1, CELLS, 6)], None, True, Yolov5Head(0, 1)),
        ([(1, 3 * CELLS, 8)], None, True, Yolov5Head(0, 3)),
        ([(1, 300, 6)], None, False, EndToEndHead(0, None)),
        ([(1, 300, 3), (1, 300, 4)], None, True, DetrHead(1, 3, SIZE, 0)),
        ([(1, 100, 80), (1, 100, 4)], None, True, DetrHead(1, 80, SIZE, 0)),
        ([(1, 300, 4), (1, 300, 3)], ["a", "b", "c"], True, DetrHead(0, 3, SIZE, 1)),
        ([(1, 300), (1, 300, 4), (1, 300)], None, True, DetrEndToEndHead(1, None, 0, 2)),
        ([(8, 300, 4), (8, 300), (8, 300)], ["a", "b", "c"], True, DetrEndToEndHead(0, 3, 1, 2)),
        ([(1, CELLS + 2, 3 + 32)], None, False, NanoDetPlusHead(0, 3, SIZE)),
        ([(1, CELLS + 2, 2 + 36)], ["a", "b"], False, NanoDetPlusHead(0, 2, SIZE)),
        ([(1, CELLS, 3 + 32)], ["a", "b", "c"], False, NanoDetHead(0, 3, SIZE)),
        ([(1, CELLS, 3 + 32)], None, False, YoloxHead(0, 30, SIZE)),  # which has the same grids: a head must be named
        (PICODET, None, True, PicoDetHead(4, 3, SIZE, (0, 1, 2, 3), (4, 5, 6, 7))),
        (PICODET, ["a", "b", "c"], True, PicoDetHead(4, 3, SIZE, (0, 1, 2, 3), (4, 5, 6, 7))),
    ],
)
def test_heads_with_grids_are_told_from_others_by_their_cells_and_by_what_the_graph_decodes(
    shapes: list[Shape], names: list[str] | None, decoded: bool, head: Head
) -> None:
    assert head_of_model(shapes, names, {}, size=SIZE, decoded=lambda _: decoded) == head


def test_what_the_study_file_says_counts_more_than_what_the_graph_tells() -> None:
    assert head_of_model([(1, CELLS, 8)], None, {}, "yolov5", size=SIZE, decoded=lambda _: False) == Yolov5Head(0, 3)
    assert head_of_model([(1, CELLS, 8)], None, {}, "yolox", size=SIZE) == YoloxHead(0, 3, SIZE)
    with pytest.raises(ModelError, match="fit no known head"):
        head_of_model([(1, CELLS + 1, 8)], None, {}, "yolox", size=SIZE)


@pytest.mark.parametrize(
    ("decoder", "decoded"), [("Add", True), ("Exp", True), ("Sigmoid", False), ("Identity", False)]
)
def test_a_graph_decodes_if_it_reckons_behind_its_last_weights(decoder: str, decoded: bool) -> None:
    nodes = [
        helper.make_node("Mul", ["images", "images"], ["before"]),
        helper.make_node("Conv", ["before", "weight"], ["grid"]),
        helper.make_node(decoder, ["grid", "grid"] if decoder == "Add" else ["grid"], ["part"]),
        helper.make_node("Concat", ["part", "grid"], ["parts"], axis=1),
        helper.make_node("Transpose", ["parts"], ["output"]),
    ]
    ports: list[Any] = [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)]
    model = helper.make_model(helper.make_graph(nodes, "head", [], ports))
    assert is_decoded(model, 0) is decoded


@pytest.mark.parametrize(
    ("name", "kind", "prepared"),
    [
        ("yolox-nano", "yolox", "BGR, 0 to 255, letterboxed from the top left corner with grey 114"),
        ("picodet-s-320-coco", "picodet", "less [0.485, 0.456, 0.406], over [0.229, 0.224, 0.225], stretched"),
        ("yolo26n-float", "end2end", "RGB, 0 to 1, letterboxed with grey 114"),
    ],
)
def test_models_from_outside_are_recognised(shared: Path, name: str, kind: str, prepared: str) -> None:
    path = shared / "models" / "outside" / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    head = head_of(read_model(path))
    assert head.kind == kind
    assert prepared in str(head.preprocessing)


def test_picodet_finds_what_is_labelled(shared: Path, tmp_path: Path) -> None:
    path, coco = shared / "models" / "outside" / "picodet-s-320-coco.onnx", shared / "coco" / "eval"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    model = read_model(path)
    head = head_of(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(path), options)
    dataset = dataset_from_coco(coco / "images", coco / "instances.json", limit=24)
    taken = replace(model, preprocessing=head.preprocessing)
    pixels = EvaluationSet.for_model(dataset, taken, Store(tmp_path)).pixels
    found = [
        head.detections(session.run(None, {"image": pixels.tensor([i])}))[0].on_image(pixels.geometry[i])
        for i in range(24)
    ]
    assert FirstLook(dataset, found).value > 0.25
