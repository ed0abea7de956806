"""Splits of bytes: the same results, and an engine that splits no floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper

from contracts.engines import SHAPE, SmallDetector, onnxruntime_outputs, random_images
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.engines.openvino.splits import quantize_before_splits


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    """Its Split has a half that a Conv, an Add and a Concat read quantized, and one that only the Concat reads."""
    return SmallDetector(quantized=True).save(tmp_path / "detector.onnx")


def _changed(path: Path) -> Path:
    model = onnx.load(path)
    quantize_before_splits(model)
    onnx.checker.check_model(model)
    changed = path.with_name("changed.onnx")
    onnx.save(model, changed)
    return changed


@pytest.mark.parametrize("seed", range(3))
def test_what_the_graph_computes_stays_the_same_to_the_bit(detector: Path, seed: int) -> None:
    images = random_images(seed)
    expected = onnxruntime_outputs(detector, images)
    for output, same in zip(onnxruntime_outputs(_changed(detector), images), expected, strict=True):
        np.testing.assert_array_equal(output, same)


def test_each_half_gets_the_scale_that_it_is_read_with(detector: Path) -> None:
    model = onnx.load(_changed(detector))
    split = next(node for node in model.graph.node if node.op_type == "Split")
    dequantize = next(node for node in model.graph.node if split.input[0] in node.output)
    weights = {weight.name: onnx.numpy_helper.to_array(weight) for weight in model.graph.initializer}
    joined, right = (float(weights[f"{tensor}.scale"]) for tensor in ("joined", "right"))
    assert joined != right
    expected = np.array([joined] * 16 + [right] * 16, dtype=np.float32)
    np.testing.assert_array_equal(weights[dequantize.input[1]], expected)


def test_a_graph_without_pairs_stays_as_it_is(tmp_path: Path) -> None:
    model = onnx.load(SmallDetector(quantized=False).save(tmp_path / "float.onnx"))
    before = model.SerializeToString(deterministic=True)
    assert quantize_before_splits(model) == 0
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("reader", ["a node", "an output"])
def test_a_split_with_a_half_that_is_also_read_as_floats_stays_as_it_is(detector: Path, reader: str) -> None:
    model = onnx.load(detector)
    told = "left"
    if reader == "a node":
        told = "copied"
        model.graph.node.append(helper.make_node("Relu", ["left"], [told]))
    model.graph.output.append(helper.make_tensor_value_info(told, TensorProto.FLOAT, (1, 16, *SHAPE[2:])))
    assert quantize_before_splits(model) == 0


def test_an_int8_engine_splits_bytes(detector: Path, tmp_path: Path) -> None:
    engine_kind("openvino").build(detector, tmp_path, OpenVinoOptions(threads=1))
    compiled = openvino.Core().compile_model(tmp_path / "engine.xml", "CPU")
    told = [op.get_rt_info() for op in compiled.get_runtime_model().get_ops()]
    splits = [one["outputPrecisions"].astype(str) for one in told if one["layerType"].astype(str) == "Split"]
    assert splits
    assert all(precision.startswith(("u8", "i8")) for precision in splits)
