"""What each version of TensorRT is asked for, as far as that can be known without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from contracts.engines import SmallDetector
from qpareto.errors import EngineError
from qpareto.objectives.engines.gpu import Gpu
from qpareto.objectives.engines.tensorrt.log import library_log
from qpareto.objectives.engines.tensorrt.options import TensorRtOptions
from qpareto.objectives.engines.tensorrt.typing import StronglyTyped, WeaklyTyped, left_to_builder, typing_of_version

FP16 = TensorRtOptions(float_type="fp16")


class Flags:
    STRONGLY_TYPED = 1
    EXPLICIT_BATCH = 0


class WithFlags:
    NetworkDefinitionCreationFlag = Flags


class WithoutFlags:
    NetworkDefinitionCreationFlag = object


def gpu(capability: tuple[int, int]) -> Gpu:
    return Gpu(name="NVIDIA X", capability=capability, driver="580.1", uuid="GPU-0")


@pytest.mark.parametrize("version", ["8.5.3.1", "8.6.1", "8.6.12"])
def test_version_8_is_weakly_typed(version: str) -> None:
    assert isinstance(typing_of_version(version), WeaklyTyped)


@pytest.mark.parametrize("version", ["10.0.1", "10.3.0", "10.13.0.35", "11.2.0"])
def test_versions_10_and_11_are_strongly_typed(version: str) -> None:
    assert isinstance(typing_of_version(version), StronglyTyped)


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("10.2.0", "known to be bad"),
        ("8.4.3", "8.5, 8.6, or 10.3"),
        ("9.3.0", "8.5, 8.6, or 10.3"),
        ("no number", "not"),
    ],
)
def test_other_versions_are_refused_with_those_that_will_do(version: str, reason: str) -> None:
    with pytest.raises(EngineError, match=reason):
        typing_of_version(version)


def test_a_network_is_strongly_typed_with_the_flag_or_without_it() -> None:
    assert StronglyTyped().network_flags(WithFlags) == 2
    assert StronglyTyped().network_flags(WithoutFlags) == 0


def test_a_weakly_typed_network_has_an_explicit_batch() -> None:
    assert WeaklyTyped().network_flags(WithFlags) == 1


@pytest.mark.parametrize(
    ("capability", "weakly", "strongly"),
    [((6, 0), False, False), ((7, 0), True, False), ((8, 7), True, True), ((9, 0), True, True), ((12, 0), False, True)],
)
def test_a_gpu_is_refused_by_the_versions_that_have_no_kernels_for_it(
    capability: tuple[int, int], weakly: bool, strongly: bool
) -> None:
    reasons = [each.unsupported(gpu(capability), "TensorRT") for each in (WeaklyTyped(), StronglyTyped())]
    assert [reason is None for reason in reasons] == [weakly, strongly]
    assert all("use another GPU" in reason for reason in reasons if reason)


def test_a_weakly_typed_build_gets_the_fp32_graph_and_a_strongly_typed_one_that_in_fp16(tmp_path: Path) -> None:
    model = onnx.load(SmallDetector(quantized=True).save(tmp_path / "g.onnx"))
    half = onnx.TensorProto.FLOAT16
    types = [
        {weight.data_type for weight in each.graph(model, FP16).graph.initializer}
        for each in (WeaklyTyped(), StronglyTyped())
    ]
    assert half not in types[0]
    assert half in types[1]


def test_a_graph_that_version_8_would_read_wrongly_is_refused_with_what_to_do(tmp_path: Path) -> None:
    model = onnx.load(SmallDetector(quantized=False).save(tmp_path / "g.onnx"))
    model.graph.node[0].op_type = "Mish"
    model.opset_import[0].version = 18
    with pytest.raises(ValueError, match=r"by TensorRT 8, .* is a Mish, .*: export the model with opset=17 or older"):
        WeaklyTyped().graph(model, FP16)


def two_convolutions() -> onnx.ModelProto:
    """A float convolution, its activation, and a convolution in INT8 with another."""
    constants = {"weight": np.ones((3, 3, 1, 1), np.float32), "scale": np.float32(0.1), "zero": np.int8(0)}
    chain = [
        ("Conv", ["images", "weight"], "first"),
        ("Relu", ["first"], "first active"),
        ("QuantizeLinear", ["first active", "scale", "zero"], "bytes"),
        ("DequantizeLinear", ["bytes", "scale", "zero"], "dequantized"),
        ("QuantizeLinear", ["weight", "scale", "zero"], "weight bytes"),
        ("DequantizeLinear", ["weight bytes", "scale", "zero"], "weight dequantized"),
        ("Conv", ["dequantized", "weight dequantized"], "second"),
        ("Relu", ["second"], "second active"),
    ]
    graph = helper.make_graph(
        [helper.make_node(op, inputs, [output], name=output) for op, inputs, output in chain],
        "two convolutions",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("second active", TensorProto.FLOAT, (1, 3, 8, 8))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_only_what_reads_int8_or_is_quantized_next_may_run_in_it() -> None:
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="needs a TensorRT's parser: qpareto[tensorrt-rtx]")
    logger = library_log(trt).logger
    network = trt.Builder(logger).create_network(0)
    assert trt.OnnxParser(network, logger).parse(two_convolutions().SerializeToString())
    free = left_to_builder(trt, [network.get_layer(i) for i in range(network.num_layers)])
    assert free & {"first", "first active", "second", "second active"} == {"first active", "second"}
