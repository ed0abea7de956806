"""What every kind of engine must do; a kind's tests derive a class from `EngineContract` and fill in its fixtures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from qpareto.errors import EngineError
from qpareto.objectives.engines import Engine, EngineKind, EngineOptions
from qpareto.objectives.quantization.batch import with_batch

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


class BuildContract:
    """Build and refuse: all of it holds on a machine that can build engines and not run them."""

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

    def test_a_kind_that_can_build_gives_no_reason_against_it(self, kind: EngineKind) -> None:
        availability = kind.availability()
        assert (availability.reason is None) == (availability.can_build and availability.can_run)

    def test_the_device_and_the_versions_have_names(self, kind: EngineKind) -> None:
        assert kind.device_name().strip()
        assert kind.versions()
        assert all(kind.versions().values())

    def test_a_faster_float_type_is_another_one_that_the_kind_knows(
        self, kind: EngineKind, options: EngineOptions
    ) -> None:
        faster = kind.faster_float_type(options)
        assert faster is None or (faster in kind.float_types and faster != options.float_type)
        if faster is not None:
            assert kind.faster_float_type(dataclasses.replace(options, float_type=faster)) is None

    def test_build_leaves_its_files_in_the_folder_and_nothing_beside_it(
        self, kind: EngineKind, options: EngineOptions, int8_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        work, folder = tmp_path / "work", tmp_path / "engine"
        work.mkdir()
        folder.mkdir()
        monkeypatch.chdir(work)
        beside = set(int8_onnx.parent.iterdir())
        kind.build(int8_onnx, folder, options)
        assert any(folder.iterdir())
        assert set(int8_onnx.parent.iterdir()) == beside
        assert not any(work.iterdir())
        assert set(tmp_path.iterdir()) == {work, folder}

    def test_an_unknown_float_type_is_refused(
        self, kind: EngineKind, options: EngineOptions, engine_dir: Path, int8_onnx: Path, tmp_path: Path
    ) -> None:
        wrong = dataclasses.replace(options, float_type="fp13")
        with pytest.raises(EngineError, match="fp13"):
            kind.build(int8_onnx, tmp_path, wrong)
        with pytest.raises(EngineError, match="fp13"):
            kind.load(engine_dir, wrong)

    def test_a_graph_that_is_none_is_refused(self, kind: EngineKind, options: EngineOptions, tmp_path: Path) -> None:
        path = tmp_path / "graph.onnx"
        path.write_bytes(b"this is no graph")
        with pytest.raises(EngineError, match=r"graph\.onnx"):
            kind.build(path, tmp_path, options)

    def test_a_graph_that_was_given_a_batch_builds(
        self, kind: EngineKind, options: EngineOptions, int8_onnx: Path, tmp_path: Path
    ) -> None:
        batched, path = dataclasses.replace(options, batch=8), tmp_path / "batched.onnx"
        onnx.save(with_batch(onnx.load(int8_onnx), 8), path)
        (tmp_path / "engine").mkdir()
        kind.build(path, tmp_path / "engine", batched)
        assert any((tmp_path / "engine").iterdir())

    def test_an_empty_folder_is_refused(self, kind: EngineKind, options: EngineOptions, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match="holds no"):
            kind.load(tmp_path, options)

    @pytest.mark.parametrize("damage", ["garbage", "truncated", "empty"])
    def test_damaged_engine_files_are_refused(
        self, kind: EngineKind, options: EngineOptions, engine_dir: Path, tmp_path: Path, damage: str
    ) -> None:
        for file in engine_dir.iterdir():
            content = file.read_bytes()
            harm = {"garbage": b"\x00\xffgarbage" * 99, "truncated": content[: len(content) // 2], "empty": b""}
            (tmp_path / file.name).write_bytes(harm[damage])
        with pytest.raises(EngineError):
            kind.load(tmp_path, options)


class EngineContract(BuildContract):
    """And load, run, time.

    The tolerances are a mean difference to ONNX Runtime's outputs, as a part of their mean size.
    """

    float_tolerance: ClassVar[float] = 1e-4
    int8_tolerance: ClassVar[float] = 0.01  # single values may round the other way at each Q; a wrong scale moves all

    @pytest.fixture
    def engine(self, kind: EngineKind, options: EngineOptions, engine_dir: Path) -> Iterator[Engine]:
        with kind.load(engine_dir, options) as engine:
            yield engine

    def test_the_input_shape_is_the_models(self, engine: Engine) -> None:
        assert engine.input_shape == SHAPE

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

    def test_a_quantized_engine_gives_what_the_graph_means(self, engine: Engine, int8_onnx: Path) -> None:
        images = random_images(2)
        for output, expected in zip(engine.infer(images), onnxruntime_outputs(int8_onnx, images), strict=True):
            assert output.shape == expected.shape
            assert mean_difference(output, expected) < self.int8_tolerance

    def test_the_same_input_gives_the_same_bits_again_and_after_loading_anew(
        self, kind: EngineKind, options: EngineOptions, engine_dir: Path, engine: Engine
    ) -> None:
        first = engine.infer(random_images(3))
        engine.infer(random_images(4))
        with kind.load(engine_dir, options) as other:
            for outputs in (engine.infer(random_images(3)), other.infer(random_images(3))):
                assert all(np.array_equal(a, b) for a, b in zip(first, outputs, strict=True))

    def test_outputs_are_copies_that_later_calls_leave_alone(self, engine: Engine) -> None:
        outputs = engine.infer(random_images(5))
        kept = [output.copy() for output in outputs]
        engine.load_input(random_images(6))
        engine.run_once_ms()
        engine.infer(random_images(6))
        assert all(np.array_equal(a, b) for a, b in zip(outputs, kept, strict=True))

    def test_infer_leaves_its_input_alone_and_takes_any_memory_layout(self, engine: Engine) -> None:
        images = random_images(7)
        turned = np.asfortranarray(images)
        expected, outputs = engine.infer(images), engine.infer(turned)
        assert np.array_equal(images, random_images(7))
        assert all(np.array_equal(a, b) for a, b in zip(expected, outputs, strict=True))

    def test_a_run_takes_time(self, engine: Engine) -> None:
        engine.load_input(random_images(8))
        assert all(0 < engine.run_once_ms() < 10_000 for _ in range(5))

    def test_inputs_take_turns_and_a_timed_run_computes_what_infer_does(self, engine: Engine) -> None:
        images = [random_images(seed) for seed in (11, 12, 13)]
        expected = [engine.infer(image) for image in images]
        engine.load_inputs(iter(images))
        for turn in (0, 1, 2, 3, 5, 0, 7):
            assert engine.run_once_ms(turn) > 0
            found = engine.timed_outputs(turn)
            engine.infer(random_images(14))
            assert all(np.array_equal(a, b) for a, b in zip(found, expected[turn % 3], strict=True))

    def test_loaded_inputs_are_copies_that_give_way_to_the_next_ones(self, engine: Engine) -> None:
        images = random_images(15)
        engine.load_inputs([random_images(16), random_images(17)])
        engine.load_input(images)
        expected = engine.infer(images)
        images[...] = 0
        for turn in (0, 1):
            assert all(np.array_equal(a, b) for a, b in zip(engine.timed_outputs(turn), expected, strict=True))

    def test_a_run_without_input_is_refused(self, engine: Engine) -> None:
        with pytest.raises(EngineError, match="load_input"):
            engine.run_once_ms()

    @pytest.mark.parametrize("shape", [(2, 3, 32, 64), (1, 3, 64, 32), (3, 32, 64), (1, 1, 32, 64)])
    def test_another_shape_is_refused(self, engine: Engine, shape: tuple[int, ...]) -> None:
        for feed in (engine.infer, engine.load_input):
            with pytest.raises(ValueError, match=r"takes \[1, 3, 32, 64\]"):
                feed(random_images(0, shape))

    def test_a_closed_engine_refuses_to_run_and_can_be_closed_again(self, engine: Engine) -> None:
        engine.load_input(random_images(9))
        engine.close()
        engine.close()
        for use in (lambda: engine.infer(random_images(9)), engine.run_once_ms):
            with pytest.raises(EngineError, match="closed"):
                use()

    @pytest.mark.parametrize("given", [False, True])
    def test_a_batch_runs_each_image_as_if_it_were_alone_or_is_refused(
        self, kind: EngineKind, options: EngineOptions, engine: Engine, int8_onnx: Path, tmp_path: Path, given: bool
    ) -> None:
        """A graph that was given the batch is never refused."""
        batched = dataclasses.replace(options, batch=2)
        if given:
            onnx.save(with_batch(onnx.load(int8_onnx), 2), int8_onnx)
        try:
            kind.build(int8_onnx, tmp_path, batched)
        except EngineError as error:
            assert "batch" in str(error)  # noqa: PT017 - either outcome is right
            assert not given
            return
        images = random_images(10, (2, *SHAPE[1:]))
        with kind.load(tmp_path, batched) as two:
            assert two.input_shape == images.shape
            outputs = two.infer(images)
        for i in range(2):
            for output, alone in zip(outputs, engine.infer(images[i : i + 1]), strict=True):
                assert mean_difference(output[i : i + 1], alone) < self.int8_tolerance
