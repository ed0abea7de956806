"""What every kind of engine must do; a kind's tests derive a class from `EngineContract` and fill in its fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from qpareto.objectives.engines import EngineKind, EngineOptions
from qpareto.objectives.promises.building import BUILDING, OF_KIND
from qpareto.objectives.promises.built import Built, Promise
from qpareto.objectives.promises.running import RUNNING
from qpareto.objectives.store import Store

SHAPE = (1, 3, 32, 64)  # height and width differ, so that swapping them shows
Images = NDArray[np.float32]


def random_images(seed: int, shape: tuple[int, ...] = SHAPE) -> Images:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


class SmallDetector:
    """Two outputs from a Conv, a split whose halves go their own ways, a Concat, and two Convs.

    Quantized, the Concat's inputs have scales of their own and its output another: OpenVINO 2026.4, reading such a
    graph without its common transformations, quantizes them all in steps of 1.0.
    """

    def __init__(self, *, quantized: bool) -> None:
        self._quantized = quantized
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[TensorProto] = []
        self._random = np.random.default_rng(0)

    def save(self, path: Path) -> Path:
        stem = self._conv("stem", "images", 3, 32, scale=1 / 127)
        self._constant("halves", np.array([16, 16], dtype=np.int64))
        self._nodes.append(helper.make_node("Split", [stem, "halves"], ["left", "right"], axis=1))
        inner = self._conv("inner", "right", 16, 16, scale=0.03)
        self._nodes.append(helper.make_node("Add", [inner, self._cast("right", 0.03)], ["sum"]))
        self._nodes.append(helper.make_node("Concat", ["left", self._cast("right", 0.03), "sum"], ["joined"], axis=1))
        outputs = [self._conv("boxes", "joined", 48, 4, scale=0.05), self._conv("scores", "joined", 48, 16, scale=0.05)]
        graph = helper.make_graph(
            self._nodes,
            "small",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, SHAPE)],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, channels, *SHAPE[2:]))
                for name, channels in zip(outputs, (4, 16), strict=True)
            ],
            self._weights,
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
        return path

    def _conv(self, name: str, source: str, channels: int, filters: int, *, scale: float) -> str:
        weight = self._random.standard_normal((filters, channels, 3, 3)).astype(np.float32) / (3 * channels**0.5)
        self._constant(f"{name}.weight", weight)
        scales = np.abs(weight).max(axis=(1, 2, 3)) / 127
        inputs = [self._cast(source, scale), self._cast(f"{name}.weight", scales)]
        self._nodes.append(helper.make_node("Conv", inputs, [f"{name}.conv"], name=name, pads=[1, 1, 1, 1]))
        return f"{name}.conv"

    def _cast(self, tensor: str, scale: float | NDArray[np.float32]) -> str:
        """The tensor through Q/DQ, once a tensor; itself if this detector is float."""
        if not self._quantized:
            return tensor
        if not any(node.output[0] == f"{tensor}.dq" for node in self._nodes):
            self._constant(f"{tensor}.scale", np.asarray(scale, dtype=np.float32))
            self._constant(f"{tensor}.zero", np.zeros(np.shape(scale), dtype=np.int8))
            ends = [f"{tensor}.scale", f"{tensor}.zero"]
            self._nodes.append(helper.make_node("QuantizeLinear", [tensor, *ends], [f"{tensor}.q"], axis=0))
            self._nodes.append(helper.make_node("DequantizeLinear", [f"{tensor}.q", *ends], [f"{tensor}.dq"], axis=0))
        return f"{tensor}.dq"

    def _constant(self, name: str, value: NDArray[np.generic]) -> None:
        self._weights.append(numpy_helper.from_array(value, name))


def onnxruntime_outputs(onnx_path: Path, images: Images) -> list[Images]:
    """What the graph means, node by node: ONNX Runtime without any graph optimization."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(onnx_path), options, providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, {session.get_inputs()[0].name: images})]


def mean_difference(output: Images, expected: Images) -> float:
    """Mean absolute difference as a part of the expected values' mean size."""
    return float(np.abs(output - expected).mean() / np.abs(expected).mean())


def noise(path: Path) -> Path:
    """Pixels of a few images of the detector's size, as promises take them."""
    _, channels, height, width = SHAPE
    np.save(path, np.random.default_rng(0).integers(0, 256, (8, height, width, channels), dtype=np.uint8))
    return path


class BuildContract:
    """Every promise of a kind that can build engines and need not run them.

    The tolerances are a mean difference to ONNX Runtime's outputs, as a part of their mean size.
    """

    float_tolerance: ClassVar[float] = 1e-4
    int8_tolerance: ClassVar[float] = 0.01  # single values may round the other way at each Q; a wrong scale moves all

    @pytest.fixture
    def kind(self) -> EngineKind:
        raise NotImplementedError

    @pytest.fixture
    def options(self, kind: EngineKind) -> EngineOptions:
        return kind.options(kind=kind.name, float_type=kind.float_types[0]).with_cpu_threads(1)

    @pytest.fixture
    def float_onnx(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return SmallDetector(quantized=False).save(tmp_path_factory.mktemp("float") / "float.onnx")

    @pytest.fixture
    def int8_onnx(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return SmallDetector(quantized=True).save(tmp_path_factory.mktemp("int8") / "int8.onnx")

    @pytest.fixture
    def engine_dir(
        self, kind: EngineKind, options: EngineOptions, int8_onnx: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> Path:
        folder = tmp_path_factory.mktemp("engine")
        kind.build(int8_onnx, folder, options)
        return folder

    @pytest.fixture
    def built(
        self, kind: EngineKind, options: EngineOptions, int8_onnx: Path, engine_dir: Path, tmp_path: Path
    ) -> Built:
        return Built(
            kind=kind,
            options=options,
            folder=engine_dir,
            onnx_path=int8_onnx,
            input_shape=SHAPE,
            pixels=noise(tmp_path / "pixels.npy"),
            store=Store(tmp_path / "store"),
            rounding=self.int8_tolerance,
        )

    @pytest.mark.parametrize("promise", OF_KIND.values(), ids=OF_KIND)
    def test_a_kind(
        self, promise: Callable[[EngineKind, EngineOptions], str], kind: EngineKind, options: EngineOptions
    ) -> None:
        assert promise(kind, options)

    @pytest.mark.parametrize("promise", BUILDING.values(), ids=BUILDING)
    def test_a_kind_that_builds(self, promise: Promise, built: Built) -> None:
        assert promise(built)


class EngineContract(BuildContract):
    """And of one that runs them."""

    @pytest.mark.parametrize("promise", RUNNING.values(), ids=RUNNING)
    def test_a_kind_that_runs(self, promise: Promise, built: Built) -> None:
        assert promise(built)

    def test_a_float_engine_gives_the_floats_of_onnxruntime(
        self, kind: EngineKind, options: EngineOptions, float_onnx: Path, tmp_path: Path
    ) -> None:
        images = random_images(1)
        kind.build(float_onnx, tmp_path, options)
        with kind.load(tmp_path, options) as engine:
            outputs = engine.infer(images)
        for output, expected in zip(outputs, onnxruntime_outputs(float_onnx, images), strict=True):
            assert output.dtype == np.float32
            assert output.shape == expected.shape
            assert mean_difference(output, expected) < self.float_tolerance

    def test_a_quantized_engine_gives_what_the_graph_means(self, built: Built) -> None:
        images = random_images(2)
        with built.load() as engine:
            outputs = engine.infer(images)
        for output, expected in zip(outputs, onnxruntime_outputs(built.onnx_path, images), strict=True):
            assert output.shape == expected.shape
            assert mean_difference(output, expected) < self.int8_tolerance
