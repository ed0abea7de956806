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
    SmallDetector,
    mean_difference,
    onnxruntime_outputs,
    random_images,
)
from contracts.inspected_engines import InspectedEngineContract
from qpareto.errors import EngineError
from qpareto.objectives.engines import EngineKind, EngineOptions, engine_kind
from qpareto.objectives.engines.inspection import Inspection
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.engines.openvino.layers import layers_of_compiled
from qpareto.objectives.engines.openvino.processor import instruction_sets

KIND = engine_kind("openvino")
OPTIONS = OpenVinoOptions(threads=1)

needs_bf16 = pytest.mark.skipif(
    not {"AVX512-BF16", "AMX-BF16"} & instruction_sets(), reason="needs a CPU with BF16 arithmetic"
)


class TestOpenVinoKind(InspectedEngineContract):
    @pytest.fixture
    def kind(self) -> EngineKind:
        return KIND


@needs_bf16
class TestOpenVinoKindInBf16(InspectedEngineContract):
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


def _fusible(path: Path) -> Path:
    """Layers whose neighbours OpenVINO folds into them: a BatchNormalization, a Mul, biases, the graph's outputs."""
    random = np.random.default_rng(0)
    shapes = {"w1": (8, 3, 3, 3), "w2": (4, 8, 1, 1), "w3": (8, 4, 2, 2), "b3": (4,), "w4": (4, 4, 1, 1), "b4": (4,)}
    shapes |= {"norm": (8,), "factor": (1, 4, 1, 1), "w5": (4, 6), "b5": (6,), "w6": (6, 6)}
    nodes = [
        ("Conv", ["images", "w1"], "normalized"),
        ("BatchNormalization", ["normalized_out", *["norm"] * 4], "norm"),
        ("Conv", ["norm_out", "w2"], "scaled"),
        ("Mul", ["scaled_out", "factor"], "scale"),
        ("ConvTranspose", ["norm_out", "w3", "b3"], "grown"),
        ("Conv", ["scale_out", "w4", "b4"], "first output"),
        ("GlobalAveragePool", ["scale_out"], "pool"),
        ("Flatten", ["pool_out"], "flat"),
        ("Gemm", ["flat_out", "w5", "b5"], "inner gemm"),
        ("MatMul", ["inner gemm_out", "w6"], "second output"),
        ("Relu", ["grown_out"], "third output"),
    ]
    outputs = [f"{name}_out" for _, _, name in nodes if name.endswith("output")]
    graph = helper.make_graph(
        [helper.make_node(op, inputs, [f"{name}_out"], name=name) for op, inputs, name in nodes],
        "fusible",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(random.random(shape, dtype=np.float32), name) for name, shape in shapes.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_layers_keep_their_names_whatever_openvino_folds_into_them(tmp_path: Path) -> None:
    import openvino

    KIND.build(_fusible(tmp_path / "fusible.onnx"), tmp_path, OPTIONS)
    model = openvino.Core().read_model(tmp_path / "engine.xml")
    found = layers_of_compiled(openvino.Core().compile_model(model, "CPU"), model)
    names = [node for layer in found for node in layer.nodes]
    layers = ("normalized", "scaled", "grown", "first output", "inner gemm", "second output")
    assert sorted(name for name in names if name in layers) == sorted(layers)


def test_a_q_that_no_layer_takes_in_is_a_reformat(tmp_path: Path) -> None:
    """The quantized detector's first Q has nothing before it to be folded into, and stands alone."""
    path = SmallDetector(quantized=True).save(tmp_path / "graph.onnx")
    KIND.build(path, tmp_path, OPTIONS)
    found = Inspection.load(tmp_path)
    assert found is not None
    assert "images.dq" in found.reformats


def test_a_profile_of_few_runs_is_a_profile(tmp_path: Path) -> None:
    KIND.build(SmallDetector(quantized=True).save(tmp_path / "graph.onnx"), tmp_path, OPTIONS)
    layers = [layer for layer in KIND.profile(tmp_path, OPTIONS, random_images(0), runs=1) if layer.nodes]
    assert {"stem", "inner", "boxes", "scores"} <= {node for layer in layers for node in layer.nodes}


def test_yolo11n_gives_what_onnxruntime_gives(shared: Path, tmp_path: Path) -> None:
    source = shared / "models" / "yolo11n.onnx"
    images = random_images(0, (1, 3, 640, 640))
    KIND.build(source, tmp_path, OPTIONS)
    with KIND.load(tmp_path, OPTIONS) as engine:
        (output,) = engine.infer(images)
    (expected,) = onnxruntime_outputs(source, images)
    assert mean_difference(output[:, :4], expected[:, :4]) < 1e-3
    np.testing.assert_allclose(output[:, 4:], expected[:, 4:], atol=1e-3)
