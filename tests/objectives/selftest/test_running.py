"""Every promise of a loaded engine holds for a real one, and is seen to be broken by one that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.engines import SHAPE, SmallDetector
from qpareto.errors import EngineError
from qpareto.objectives.accuracy.heads import Head
from qpareto.objectives.accuracy.images import Geometry, LetterboxedImages
from qpareto.objectives.engines import Engine, EngineOptions, engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoKind, OpenVinoOptions
from qpareto.objectives.selftest import building, running
from qpareto.objectives.selftest.subject import Built

Images = NDArray[np.float32]
HONEST = (
    running.loads,
    running.refuses_damaged_files,
    running.repeats_its_bits,
    running.leaves_inputs_and_outputs_alone,
    running.takes_time,
    running.times_the_images_that_it_is_given,
    running.refuses_a_run_without_input,
    running.refuses_another_shape,
    running.refuses_to_run_closed,
    running.runs_a_larger_batch,
    building.refuses_what_it_cannot_build,
    building.refuses_an_empty_folder,
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    (folder / "engine").mkdir()
    onnx_path = SmallDetector(quantized=True).save(folder / "int8.onnx")
    options = OpenVinoOptions(threads=1)
    engine_kind("openvino").build(onnx_path, folder / "engine", options)
    _, channels, height, width = SHAPE
    pixels = np.random.default_rng(0).integers(0, 256, (8, height, width, channels), dtype=np.uint8)
    np.save(folder / "pixels.npy", pixels)
    return Built(
        name="INT8",
        folder=folder / "engine",
        options=options,
        onnx_path=onnx_path,
        input_shape=SHAPE,
        pixels=LetterboxedImages(folder / "pixels.npy", (Geometry(1, 0, 0, width, height),) * 8, "none"),
        head=Head("yolov8", 0, 1),
    )


class Altered(Engine):
    """A real engine, to be altered in one respect."""

    def __init__(self, real: Engine) -> None:
        self.real = real
        self.input_shape = real.input_shape

    def infer(self, images: Images) -> tuple[Images, ...]:
        return self.real.infer(images)

    def load_inputs(self, batches: Iterable[Images]) -> None:
        self.real.load_inputs(batches)

    def run_once_ms(self, turn: int = 0) -> float:
        return self.real.run_once_ms(turn)

    def timed_outputs(self, turn: int = 0) -> tuple[Images, ...]:
        return self.real.timed_outputs(turn)

    def close(self) -> None:
        self.real.close()


class OfAnotherShape(Altered):
    def __init__(self, real: Engine) -> None:
        super().__init__(real)
        self.input_shape = (1, 3, 64, 32)


class Forgetful(Altered):
    """Adds a little more at each run."""

    runs = 0

    def infer(self, images: Images) -> tuple[Images, ...]:
        self.runs += 1
        return tuple(output + np.float32(self.runs) for output in super().infer(images))


class Lending(Altered):
    """Hands out its own memory."""

    lent: tuple[Images, ...] = ()

    def infer(self, images: Images) -> tuple[Images, ...]:
        outputs = super().infer(images)
        self.lent = self.lent or outputs
        for own, new in zip(self.lent, outputs, strict=True):
            own[...] = new
        return self.lent


class Scribbling(Altered):
    def infer(self, images: Images) -> tuple[Images, ...]:
        outputs = super().infer(images)
        images[...] = 0
        return outputs


class Greedy(Altered):
    """Takes any shape."""

    def infer(self, images: Images) -> tuple[Images, ...]:
        return super().infer(np.resize(images, self.input_shape))


class Timeless(Altered):
    def run_once_ms(self, turn: int = 0) -> float:
        return 0.0


class OfOneMind(Altered):
    """Is timed on its first input for ever."""

    def timed_outputs(self, turn: int = 0) -> tuple[Images, ...]:
        return super().timed_outputs(0)


class Undead(Altered):
    def close(self) -> None:
        pass


BROKEN = (
    (OfAnotherShape, running.loads, "its input is"),
    (Forgetful, running.repeats_its_bits, "other bits"),
    (Lending, running.leaves_inputs_and_outputs_alone, "changed the outputs"),
    (Scribbling, running.leaves_inputs_and_outputs_alone, "changed its input"),
    (Timeless, running.takes_time, "runs took"),
    (OfOneMind, running.times_the_images_that_it_is_given, "turn 1 gave other bits"),
    (Timeless, running.refuses_a_run_without_input, "is not refused"),
    (Greedy, running.refuses_another_shape, "is not refused"),
    (Undead, running.refuses_to_run_closed, "is not refused"),
)


@pytest.mark.parametrize("promise", HONEST)
def test_an_honest_engine_keeps_the_promise_and_tells_figures(promise: Callable[[Built], str], built: Built) -> None:
    assert promise(built)


@pytest.mark.parametrize(("fault", "promise", "said"), BROKEN)
def test_a_broken_promise_is_seen(
    fault: type[Altered],
    promise: Callable[[Built], str],
    said: str,
    built: Built,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Built.load
    monkeypatch.setattr(Built, "load", lambda self: fault(real(self)))
    with pytest.raises(EngineError, match=said):
        promise(built)


def test_a_kind_that_loads_damaged_files_is_seen(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenVinoKind, "load", lambda *_: None)
    with pytest.raises(EngineError, match="holds garbage is not refused"):
        running.refuses_damaged_files(built)


def test_a_kind_that_refuses_without_a_reason_is_seen(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise EngineError("No.")

    monkeypatch.setattr(OpenVinoKind, "build", refuse)
    with pytest.raises(EngineError, match="refused without saying 'fp13': No"):
        building.refuses_what_it_cannot_build(built)


def test_a_build_that_writes_beside_its_folder_is_seen(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "engine.bin, engine.xml" in building.leaves_only_its_folder(built)
    real = OpenVinoKind.build

    def build(kind: OpenVinoKind, onnx_path: Path, engine_dir: Path, options: EngineOptions) -> None:
        Path("scratch.tmp").write_text("left")
        real(kind, onnx_path, engine_dir, options)

    monkeypatch.setattr(OpenVinoKind, "build", build)
    with pytest.raises(EngineError, match=r"left graph\.onnx, scratch\.tmp outside"):
        building.leaves_only_its_folder(built)
