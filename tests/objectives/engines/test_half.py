"""ModelOpt's AutoCast is the independent answer: the same numbers, to the bit, from the same graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from contracts.engines import SmallDetector, mean_difference, onnxruntime_outputs, random_images
from networks import SIZE, small_network
from qpareto.objectives.engines.half import half_precision

KEPT = "/model.2/conv/Conv_output_0"


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return small_network(tmp_path / "network.onnx")


def types_of(model: Any) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    values = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input, *graph.output)}
    return values | {weight.name: weight.data_type for weight in graph.initializer}


def saved(model: Any, path: Path) -> Path:
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("quantized", [False, True])
def test_it_computes_what_autocasts_graph_computes_to_the_bit(quantized: bool, tmp_path: Path) -> None:
    from modelopt.onnx.autocast import convert_to_mixed_precision

    source = SmallDetector(quantized=quantized).save(tmp_path / "source.onnx")
    theirs = convert_to_mixed_precision(
        str(source), keep_io_types=True, data_max=np.inf, providers=["cpu"], trt_plugins=[], trt_plugins_precision=[]
    )
    ours = saved(half_precision(onnx.load(source)), tmp_path / "ours.onnx")
    images = random_images(0)
    expected = onnxruntime_outputs(saved(theirs, tmp_path / "theirs.onnx"), images)
    for output, other in zip(onnxruntime_outputs(ours, images), expected, strict=True):
        assert np.array_equal(output, other)


@pytest.mark.parametrize("keep", [(), (KEPT,)])
def test_it_stays_near_the_float_graph(network: Path, keep: tuple[str, ...], tmp_path: Path) -> None:
    ours = saved(half_precision(onnx.load(network), keep=keep), tmp_path / "ours.onnx")
    images = random_images(1, (1, 3, SIZE, SIZE))
    (output,), (expected,) = onnxruntime_outputs(ours, images), onnxruntime_outputs(network, images)
    assert output.dtype == np.float32
    assert 0 < mean_difference(output, expected) < 2e-3


def test_inputs_and_outputs_keep_their_names_and_types(network: Path) -> None:
    source = onnx.load(network)
    ours = half_precision(source)
    for field in ("input", "output"):
        before, after = getattr(source.graph, field), getattr(ours.graph, field)
        assert [(v.name, v.type.tensor_type.elem_type) for v in before] == [
            (v.name, v.type.tensor_type.elem_type) for v in after
        ]


def test_the_given_graph_is_left_alone(network: Path) -> None:
    source = onnx.load(network)
    before = source.SerializeToString()
    half_precision(source)
    assert source.SerializeToString() == before


def test_a_kept_tensor_is_computed_in_fp32_and_the_rest_is_not(network: Path) -> None:
    types = types_of(half_precision(onnx.load(network), keep=[KEPT]))
    assert types[KEPT] == TensorProto.FLOAT
    assert types["/model.1/cv1/conv/Conv_output_0"] == TensorProto.FLOAT16
    assert types["/model.2/act/Mul_output_0"] == TensorProto.FLOAT16


def test_no_cast_stands_between_a_dq_and_the_layer_that_it_feeds(tmp_path: Path) -> None:
    source = onnx.load(SmallDetector(quantized=True).save(tmp_path / "source.onnx"))
    ours = half_precision(source)
    types, producer = types_of(ours), {name: node for node in ours.graph.node for name in node.output}
    for node in ours.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert types[node.input[1]] == TensorProto.FLOAT16
        if node.op_type == "Conv":
            assert [producer[tensor].op_type for tensor in node.input] == ["DequantizeLinear"] * 2


def test_a_resize_keeps_its_scales_in_fp32(network: Path) -> None:
    ours = half_precision(onnx.load(network))
    (resize,) = (node for node in ours.graph.node if node.op_type == "Resize")
    assert types_of(ours)[resize.input[2]] == TensorProto.FLOAT


def test_weights_beyond_fp16_are_clipped_and_tiny_ones_stay_above_zero(network: Path) -> None:
    source = onnx.load(network)
    (bias,) = (weight for weight in source.graph.initializer if weight.name == "/model.2.bias")
    values = np.array(numpy_helper.to_array(bias))
    values[:4] = [1e6, -1e6, 1e-12, 0]
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    ours = half_precision(source)
    (cast,) = (weight for weight in ours.graph.initializer if weight.name.startswith("/model.2.bias"))
    assert numpy_helper.to_array(cast)[:4].tolist() == [65504.0, -65504.0, 2.0**-24, 0.0]


def test_yolov5n_and_yolo11n_stay_near_their_float_graphs(shared: Path, tmp_path: Path) -> None:
    for name in ("yolov5n", "yolo11n"):
        source = shared / "models" / f"{name}.onnx"
        ours = saved(half_precision(onnx.load(source)), tmp_path / "ours.onnx")
        images = random_images(0, (1, 3, 640, 640))
        (output,), (expected,) = onnxruntime_outputs(ours, images), onnxruntime_outputs(source, images)
        assert mean_difference(output, expected) < 2e-3
