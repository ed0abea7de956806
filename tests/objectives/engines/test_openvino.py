"""OpenVINO keeps the engine contract, and what only it has to keep."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from contracts.engines import (
    SHAPE,
    EngineContract,
    SmallDetector,
    mean_difference,
    onnxruntime_outputs,
    random_images,
)
from qpareto.errors import EngineError
from qpareto.objectives.engines import EngineKind, EngineOptions, engine_kind
from qpareto.objectives.engines.openvino import instruction_sets

KIND = engine_kind("openvino")
OPTIONS = EngineOptions(threads=1)

needs_bf16 = pytest.mark.skipif(
    not {"AVX512-BF16", "AMX-BF16"} & instruction_sets(), reason="needs a CPU with BF16 arithmetic"
)


class TestOpenVinoKind(EngineContract):
    @pytest.fixture
    def kind(self) -> EngineKind:
        return KIND


@needs_bf16
class TestOpenVinoKindInBf16(EngineContract):
    float_tolerance: ClassVar[float] = 0.01  # 8 bits of mantissa
    int8_tolerance: ClassVar[float] = 0.05

    @pytest.fixture
    def kind(self) -> EngineKind:
        return KIND

    @pytest.fixture
    def options(self) -> EngineOptions:
        return dataclasses.replace(OPTIONS, float_type="bf16")


def _reshaped(path: Path, shape: list[int]) -> Path:
    """A Conv whose output the exporter reshaped to a fixed shape."""
    nodes = [
        helper.make_node("Conv", ["images", "weight"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("Reshape", ["features", "shape"], ["output"]),
    ]
    weights = [
        numpy_helper.from_array(np.ones((4, 3, 3, 3), dtype=np.float32), "weight"),
        numpy_helper.from_array(np.array(shape, dtype=np.int64), "shape"),
    ]
    graph = helper.make_graph(
        nodes,
        "reshaped",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.parametrize("shape", [[1, 4, 2048], [1, -1]], ids=["refused by OpenVINO", "mixed in silence by OpenVINO"])
def test_a_batch_that_the_graph_cannot_take_is_refused_with_the_way_out(tmp_path: Path, shape: list[int]) -> None:
    path = _reshaped(tmp_path / "fixed.onnx", shape)
    KIND.build(path, tmp_path, OPTIONS)
    with pytest.raises(EngineError, match="export it with batch=2"):
        KIND.build(path, tmp_path, dataclasses.replace(OPTIONS, batch=2))


def test_more_threads_than_the_machine_has_are_refused(tmp_path: Path) -> None:
    path = SmallDetector(quantized=False).save(tmp_path / "float.onnx")
    with pytest.raises(EngineError, match=r"set engine\.threads=\d+, so that"):
        KIND.build(path, tmp_path, dataclasses.replace(OPTIONS, threads=4096))


def test_the_doctor_learns_what_int8_is_worth_here() -> None:
    details = KIND.availability().details
    assert {"openvino", "device", "instructions", "int8"} <= set(details)
    assert details["int8"] == "exact" or "saturate" in details["int8"] or "unknown" in details["int8"]


def test_weights_of_int8_layers_are_stored_in_a_byte_each(tmp_path: Path) -> None:
    weights_bytes = {}
    for quantized in (False, True):
        path = SmallDetector(quantized=quantized).save(tmp_path / "graph.onnx")
        KIND.build(path, tmp_path, OPTIONS)
        weights_bytes[quantized] = (tmp_path / "engine.bin").stat().st_size
    assert weights_bytes[True] < 0.3 * weights_bytes[False]


def test_yolo11n_gives_what_onnxruntime_gives(shared: Path, tmp_path: Path) -> None:
    source = shared / "models" / "yolo11n.onnx"
    images = random_images(0, (1, 3, 640, 640))
    KIND.build(source, tmp_path, OPTIONS)
    with KIND.load(tmp_path, OPTIONS) as engine:
        (output,) = engine.infer(images)
    (expected,) = onnxruntime_outputs(source, images)
    assert mean_difference(output[:, :4], expected[:, :4]) < 1e-3
    np.testing.assert_allclose(output[:, 4:], expected[:, 4:], atol=1e-3)
