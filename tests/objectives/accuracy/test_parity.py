from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import numpy_helper

from contracts.engines import onnxruntime_outputs
from made_up_outputs import HEADS, Objects, objects, outputs, pictures
from qpareto.errors import EngineError
from qpareto.objectives.accuracy import parity
from qpareto.objectives.accuracy.data.images import LetterboxedImages, letterboxed_images
from qpareto.objectives.accuracy.heads import Head
from qpareto.objectives.accuracy.heads.head_kinds import head_of_model
from qpareto.objectives.accuracy.heads.plain_heads import Yolov8Head
from qpareto.objectives.accuracy.parity import (
    BOX_TOLERANCE,
    FEW_BOXES,
    IMAGES,
    SCORE_TOLERANCE,
    SHIFT_TOLERANCE,
    Parity,
    parity_of_engine,
    parity_of_outputs,
)
from qpareto.objectives.engines import Engine, engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.quantization.apply_mask import CalibratedModel
from qpareto.objectives.quantization.calibrate import CalibrationSet, calibrated_model
from qpareto.objectives.store import Store
from qpareto.objectives.tensors import tensor_from_pixels
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import read_model

QUICKSTART = Path(__file__).resolve().parents[3] / "studies" / "quickstart"
FLOAT_TYPES = [name for name in ("fp32", engine_kind("openvino").faster_float_type(OpenVinoOptions())) if name]
Tensor = NDArray[np.float32]
Change = Callable[[Tensor], Tensor]


class Running(Engine):
    """An engine that is no more than what it gives for one image, and how it takes several."""

    def __init__(self, run: Change, shape: tuple[int, ...], *, batch: int = 1, backwards: bool = False) -> None:
        self._run, self._order = run, -1 if backwards else 1
        self.input_shape = (batch, shape[1], shape[2], shape[3])

    def infer(self, images: Tensor) -> tuple[Tensor, ...]:
        return (np.concatenate([self._run(image[None]) for image in images[:: self._order]]),)

    def load_inputs(self, batches: Iterable[Tensor]) -> None:
        raise NotImplementedError

    def run_once_ms(self, turn: int = 0) -> float:
        raise NotImplementedError

    def timed_outputs(self, turn: int = 0) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def close(self) -> None:
        pass


def as_it_is_read(onnx_path: Path) -> Engine:
    """OpenVINO's engine of a Q/DQ graph without the common transformations, which miscompiles Concats."""
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(onnx_path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return Running(lambda image: np.array(compiled([image])[0]), compiled.inputs[0].shape)


class Detector:
    """A calibrated model, its head, and images that it finds something in."""

    def __init__(self, folder: Path, model: Path, pictures: list[Path]) -> None:
        self._folder, store = folder, Store(folder / "store")
        detector = read_model(model)
        _, _, height, width = detector.input_shape
        self.images = letterboxed_images(pictures, height=height, width=width, store=store)
        self.head = head_of_model(detector.output_shapes, detector.class_names, detector.metadata)
        hashes = tuple(str(picture) for picture in pictures)
        calibration_set = CalibrationSet(pixels=self.images.path, hashes=hashes)
        choice = CalibrationChoice("max", 4)
        self._calibrated: CalibratedModel = calibrated_model(detector, calibration_set, choice, store)

    def graph(self, share: float) -> Path:
        """With so large a share of its layers in INT8."""
        layers, chance = self._calibrated.layers, np.random.default_rng(0).random(len(self._calibrated.layers))
        mask = LayerMask.from_names(layers, [name for name, x in zip(layers, chance, strict=True) if x < share])
        path = self._folder / f"{share}.onnx"
        onnx.save(self._calibrated.with_mask(mask).model, path)
        return path

    def parity(self, engine: Engine, graph: Path) -> Parity:
        return parity_of_engine(engine, graph, self.images, self.head)


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """The quickstart's model, and as many of its pictures as are compared."""
    import cv2

    folder = tmp_path_factory.mktemp("quickstart")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(QUICKSTART)
        drawing: Any = importlib.import_module("pictures")
    paths = [folder / f"{i}.png" for i in range(IMAGES)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), drawing.draw_picture(drawing.SEEDS["eval"], i)[0])
    return Detector(folder, QUICKSTART / "shapes-yolo11n.onnx", paths)


@pytest.fixture(scope="module")
def graph(quickstart: Detector) -> Path:
    """The quickstart's model with all its layers in INT8."""
    return quickstart.graph(1.0)


@pytest.fixture(scope="module")
def engine(graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """What OpenVINO makes of that, rightly."""
    with built(graph, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@contextmanager
def built(graph: Path, folder: Path, float_type: str = "fp32") -> Iterator[Engine]:
    kind, options = engine_kind("openvino"), OpenVinoOptions(float_type=float_type, threads=1)
    kind.build(graph, folder, options)
    with kind.load(folder, options) as engine:
        yield engine


@pytest.mark.parametrize("float_type", FLOAT_TYPES)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_honest_engines_are_well_within_the_tolerances(
    quickstart: Detector, tmp_path: Path, share: float, float_type: str
) -> None:
    graph = quickstart.graph(share)
    with built(graph, tmp_path, float_type) as engine:
        parity = quickstart.parity(engine, graph)
    assert parity.images == IMAGES
    assert parity.boxes > 3 * FEW_BOXES
    assert parity.box_error < BOX_TOLERANCE / 2
    assert parity.box_shift < SHIFT_TOLERANCE / 2
    assert parity.score_error < SCORE_TOLERANCE / 2
    assert (parity.score_error < 1e-3) == (share == 0.0 and float_type == "fp32")


def test_yolo11n_rightly_compiled_passes(shared: Path, tmp_path: Path) -> None:
    pictures = sorted((shared / "coco" / "calib" / "images").iterdir())[:IMAGES]
    detector = Detector(tmp_path, shared / "models" / "yolo11n.onnx", pictures)
    graph = detector.graph(1.0)
    (tmp_path / "engine").mkdir()
    with built(graph, tmp_path / "engine") as engine:
        assert detector.parity(engine, graph).boxes > FEW_BOXES


def test_concats_that_openvino_miscompiles_are_caught(quickstart: Detector, graph: Path) -> None:
    image = tensor_from_pixels(quickstart.images.pixels[:1])
    found, expected = as_it_is_read(graph).infer(image)[0], onnxruntime_outputs(graph, image)[0]
    sure, expected_sure = (int((output[:, 4:] > 0.25).sum()) for output in (found, expected))
    if sure > expected_sure / 2:
        pytest.skip(f"OpenVINO compiles these Concats rightly on this processor: {sure} of {expected_sure} sure cells")
    with pytest.raises(EngineError, match=r"its boxes are off by [01]\.\d+ of .* and its scores are off by"):
        quickstart.parity(as_it_is_read(graph), graph)


def test_a_scale_of_one_layer_twice_too_large_is_caught(quickstart: Detector, graph: Path, tmp_path: Path) -> None:
    model = onnx.load(graph)
    (wrong,) = (n for n in model.graph.node if n.op_type == "QuantizeLinear" and "/model.4/Concat" in n.input[1])
    (scale,) = (weight for weight in model.graph.initializer if weight.name == wrong.input[1])
    model.graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(scale) * np.float32(2), "wrong"))
    wrong.input[1] = "wrong"
    onnx.save(model, tmp_path / "wrong.onnx")
    with built(tmp_path / "wrong.onnx", tmp_path) as engine, pytest.raises(EngineError, match="scores are off by"):
        quickstart.parity(engine, graph)


@pytest.fixture(scope="module")
def honest(quickstart: Detector, graph: Path, engine: Engine) -> tuple[Tensor, Tensor]:
    """What the engine and its graph give for all images, for changing it afterwards."""
    images = [tensor_from_pixels(quickstart.images.pixels[i : i + 1]) for i in range(IMAGES)]
    found = np.concatenate([engine.infer(image)[0] for image in images])
    return found, np.concatenate([onnxruntime_outputs(graph, image)[0] for image in images])


def scaled(rows: int | slice, factor: float) -> Change:
    """Of an output [images, 4 + classes, boxes]: centre, size, scores."""

    def change(output: Tensor) -> Tensor:
        output[:, rows] *= np.float32(factor)
        return output

    return change


def moved(output: Tensor) -> Tensor:
    output[:, 0] += 0.03 * output[:, 2]
    return output


def swapped(output: Tensor) -> Tensor:
    output[:, [4, 7]] = output[:, [7, 4]]
    return output


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (moved, r"8 images, its boxes are all shifted or scaled by 0\.0[23]\d of their size \(tolerance 0\.025\); try"),
        (scaled(3, 1.03), r"its boxes are all shifted or scaled by 0\.0[23]\d of their size \(tolerance 0\.025\); try"),
        (scaled(slice(4), 1.02), r"its boxes are all shifted or scaled by 0\.\d+ of their size"),
        (swapped, r"8 images, its scores are off by 0\.\d+ \(tolerance 0\.25\); try"),
        (scaled(slice(4, None), 0.5), r"8 images, its scores are off by 0\.\d+ \(tolerance 0\.25\); try"),
        (scaled(slice(4, None), 0), r"its boxes are off by 1\.000 .* and its scores are off by 0\.\d+"),
    ],
    ids=["boxes moved", "boxes grown", "pixels scaled", "classes swapped", "scores halved", "nothing found"],
)
def test_an_engine_that_is_wrong_in_one_thing_is_told_so(
    quickstart: Detector, honest: tuple[Tensor, Tensor], change: Change, says: str
) -> None:
    found, expected = honest
    parity = parity_of_outputs(change(found.copy()), expected, quickstart.head)
    with pytest.raises(EngineError, match=says):
        parity.check()


def test_images_of_a_batch_are_each_compared_with_their_own(quickstart: Detector, graph: Path, engine: Engine) -> None:
    def one(image: Tensor) -> Tensor:
        return engine.infer(image)[0]

    threes = Running(one, engine.input_shape, batch=3)
    assert quickstart.parity(threes, graph).images == 9
    mixed_up = Running(one, engine.input_shape, batch=4, backwards=True)
    with pytest.raises(EngineError, match=r"boxes are off by .* and its scores are off by"):
        quickstart.parity(mixed_up, graph)


def test_a_large_batch_is_compared_with_a_graph_that_runs_no_more_images_than_for_a_small_one(
    quickstart: Detector, graph: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And still a mix-up shows, of images that lie as far apart as there are different ones too."""
    runs: list[int] = []
    real = parity._graph

    def counted(path: Path) -> tuple[Callable[[Tensor], Any], int]:
        run, batch = real(path)

        def counting(images: Tensor) -> Any:
            runs.append(len(images))
            return run(images)

        return counting, batch

    monkeypatch.setattr(parity, "_graph", counted)

    def one(image: Tensor) -> Tensor:
        return engine.infer(image)[0]

    found = quickstart.parity(Running(one, engine.input_shape, batch=3 * IMAGES), graph)
    assert (found.images, sum(runs)) == (3 * IMAGES, IMAGES)

    class Shifted(Running):
        def infer(self, images: Tensor) -> tuple[Tensor, ...]:
            return super().infer(np.roll(images, IMAGES, axis=0))

    with pytest.raises(EngineError, match="boxes are off by"):
        quickstart.parity(Shifted(one, engine.input_shape, batch=2 * IMAGES), graph)


def test_too_few_images_are_repeated(quickstart: Detector, graph: Path, engine: Engine, tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", quickstart.images.pixels[:3])
    three = LetterboxedImages(tmp_path / "pixels.npy", quickstart.images.geometry[:3], "three")
    assert parity_of_engine(engine, graph, three, quickstart.head).images == IMAGES


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda output: output[:, :, :-1], r"shape \[8, 16, 2099\], but its graph gives \[8, 16, 2100\]"),
        (lambda output: np.concatenate((output, output)), r"shape \[16, 16, 2100\], but its graph"),
        (lambda output: output.transpose(0, 2, 1), r"shape \[8, 2100, 16\]"),
        (lambda output: output * np.float32(np.nan), "values are NaN or infinite"),
    ],
)
def test_outputs_that_are_none_of_the_graphs_are_refused(
    quickstart: Detector, honest: tuple[Tensor, Tensor], change: Change, says: str
) -> None:
    found, expected = honest
    with pytest.raises(EngineError, match=says):
        parity_of_outputs(change(found), expected, quickstart.head)


def test_an_engine_without_the_heads_output_is_refused(quickstart: Detector, graph: Path, engine: Engine) -> None:
    with pytest.raises(EngineError, match="gives 1 outputs, but boxes and scores are output 1"):
        parity_of_engine(engine, graph, quickstart.images, Yolov8Head(1, 12))


def test_a_parity_is_kept_beside_its_engine(tmp_path: Path) -> None:
    parity = Parity(images=8, boxes=50, box_error=0.03, box_shift=0.002, score_error=0.1)
    assert Parity.load(tmp_path) is None
    parity.save(tmp_path)
    assert Parity.load(tmp_path) == parity


def test_of_few_boxes_a_shift_is_not_held_against_an_engine() -> None:
    Parity(images=8, boxes=FEW_BOXES - 1, box_error=0.04, box_shift=0.04, score_error=0.0).check()
    with pytest.raises(EngineError, match=r"shifted or scaled by 0\.040"):
        Parity(images=8, boxes=FEW_BOXES, box_error=0.04, box_shift=0.04, score_error=0.0).check()


def compared(found: list[Objects], expected: list[Objects], head: Head) -> Parity:
    return parity_of_outputs(outputs(head, found), outputs(head, expected), head)


@given(pictures, st.sampled_from(HEADS))
def test_the_same_outputs_in_any_order_differ_in_nothing(images: list[Objects], head: Head) -> None:
    parity = parity_of_outputs(outputs(head, images, backwards=True), outputs(head, images), head)
    boxes = sum(score >= 0.1 for found in images for *_, score, _ in found)
    assert parity == Parity(images=len(images), boxes=boxes, box_error=0, box_shift=0, score_error=0)


@given(st.data(), st.sampled_from(HEADS))
def test_who_is_compared_with_whom_does_not_matter(data: st.DataObject, head: Head) -> None:
    found = data.draw(pictures)
    expected = data.draw(st.lists(objects(), min_size=len(found), max_size=len(found)))
    assert compared(found, expected, head) == compared(expected, found, head)


@given(pictures, pictures, st.sampled_from(HEADS))
def test_all_heads_that_say_the_same_compare_alike(found: list[Objects], expected: list[Objects], head: Head) -> None:
    count = min(len(found), len(expected))
    figures, others = (compared(found[:count], expected[:count], h) for h in (head, HEADS[0]))
    assert asdict(figures) == pytest.approx(asdict(others), abs=1e-5)


@given(pictures, st.sampled_from(HEADS), st.sampled_from([np.nan, np.inf, -np.inf]), st.data())
def test_a_value_that_is_not_finite_is_always_caught(
    images: list[Objects], head: Head, bad: float, data: st.DataObject
) -> None:
    found = outputs(head, images)
    found.flat[data.draw(st.integers(0, found.size - 1))] = bad
    with pytest.raises(EngineError, match="1 values are NaN or infinite"):
        parity_of_outputs(found, outputs(head, images), head)


@given(st.floats(-3e38, 3e38), st.sampled_from(HEADS))
def test_finite_outputs_of_any_size_give_finite_figures(value: float, head: Head) -> None:
    expected = outputs(head, [[(10, 10, 50, 50, 0.9, 0)]])
    parity = parity_of_outputs(np.full_like(expected, value), expected, head)
    assert all(np.isfinite(x) for x in (parity.box_error, parity.box_shift, parity.score_error))
    assert 0 <= parity.box_shift <= parity.box_error <= 1


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_where_neither_finds_anything_there_is_nothing_against_the_engine(head: Head) -> None:
    parity = compared([[], [(0, 0, 30, 30, 0.04, 1)]], [[(0, 0, 30, 30, 0.09, 1)], []], head)
    assert parity == Parity(images=2, boxes=0, box_error=0, box_shift=0, score_error=0)
    parity.check()


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_an_object_that_only_one_side_finds_differs_by_its_score_and_has_no_box(head: Head) -> None:
    parity = compared([[(0, 0, 40, 40, 0.75, 1)]], [[]], head)
    assert parity == Parity(images=1, boxes=0, box_error=1, box_shift=1, score_error=0.75)
    with pytest.raises(EngineError, match=r"boxes are off by 1\.000 .* and its scores are off by 0\.750"):
        parity.check()


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_the_figures_are_those_of_the_docstring(head: Head) -> None:
    """Five objects: one 6 pixels aside, one taller by a tenth, one of another score; worked out by hand."""
    places = [(80.0 * i, 0.0, 80.0 * i + 40, 40.0) for i in range(5)]
    expected: list[Objects] = [[(*place, 0.5, 0) for place in places[:3]] + [(*place, 0.5, 1) for place in places[3:]]]
    first: Objects = [(6, 0, 46, 40, 0.5, 0), (80, 0, 120, 44, 0.5, 0), (160, 0, 200, 40, 0.875, 0)]
    parity = compared([first + expected[0][3:]], expected, head)
    assert parity.boxes == 5
    assert parity.box_error == 0  # the median of 0.15, 0.1, 0, 0, 0
    assert parity.box_shift == 0
    assert parity.score_error == pytest.approx(0.375 / 3)  # class 0; over all it is 0.375 / 5
