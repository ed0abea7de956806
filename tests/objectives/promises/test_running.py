"""A broken promise is seen, whatever breaks it; that honest kinds keep them all, their contract tests show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.engines import SHAPE, SmallDetector, noise
from qpareto.errors import EngineError
from qpareto.objectives.engines import Availability, Engine, EngineOptions
from qpareto.objectives.engines.openvino.kind import OpenVinoKind, OpenVinoOptions
from qpareto.objectives.engines.profile import LayerTime
from qpareto.objectives.promises import building, running
from qpareto.objectives.promises.built import Built, Promise
from qpareto.objectives.promises.check import Untried
from qpareto.objectives.store import Store

Images = NDArray[np.float32]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder, options = tmp_path_factory.mktemp("built"), OpenVinoOptions(threads=1)
    onnx_path = SmallDetector(quantized=True).save(folder / "int8.onnx")
    (folder / "engine").mkdir()
    OpenVinoKind().build(onnx_path, folder / "engine", options)
    return Built(
        kind=OpenVinoKind(),
        options=options,
        folder=folder / "engine",
        onnx_path=onnx_path,
        input_shape=SHAPE,
        pixels=noise(folder / "pixels.npy"),
        store=Store(folder / "store"),
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


class Hoarding(Altered):
    """Goes on with the inputs that it was given first."""

    loaded = False

    def load_inputs(self, batches: Iterable[Images]) -> None:
        if not self.loaded:
            super().load_inputs(batches)
        self.loaded = True


class Blurring(Altered):
    """Mixes the images of a batch."""

    def infer(self, images: Images) -> tuple[Images, ...]:
        return super().infer(np.broadcast_to(images.mean(axis=0, keepdims=True), images.shape))


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
    (Hoarding, running.copies_the_images_that_it_is_given, "turn 0 was not timed on what was given last"),
    (Timeless, running.refuses_a_run_without_input, "is not refused"),
    (Greedy, running.refuses_another_shape, "is not refused"),
    (Undead, running.refuses_to_run_closed, "is not refused"),
)


@pytest.mark.parametrize(("fault", "promise", "said"), BROKEN)
def test_a_broken_promise_is_seen(
    fault: type[Altered],
    promise: Promise,
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
        building.refuses_damaged_files(built)


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
    real = OpenVinoKind.build

    def build(kind: OpenVinoKind, onnx_path: Path, engine_dir: Path, options: EngineOptions) -> None:
        Path("scratch.tmp").write_text("left")
        real(kind, onnx_path, engine_dir, options)

    monkeypatch.setattr(OpenVinoKind, "build", build)
    with pytest.raises(EngineError, match=r"left graph\.onnx, scratch\.tmp outside"):
        building.leaves_only_its_folder(built)


@pytest.mark.parametrize(
    "promise", [building.takes_a_larger_batch, building.takes_a_batch_that_its_graph_lacks_or_says_so]
)
def test_a_batch_whose_images_are_mixed_is_seen(
    promise: Promise, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OpenVinoKind.load
    monkeypatch.setattr(OpenVinoKind, "load", lambda *arguments: Blurring(real(*arguments)))
    with pytest.raises(EngineError, match=r"a batch of 2 gives outputs that are \d+\.\d% off"):
        promise(built)


def test_a_reason_that_fits_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Availability(can_build=True, can_run=False)
    monkeypatch.setattr(OpenVinoKind, "availability", lambda _: found)
    with pytest.raises(EngineError, match="its reason does not fit"):
        building.says_what_it_cannot_do(OpenVinoKind(), OpenVinoOptions())


@pytest.mark.parametrize(("faster", "said"), [("fp13", "fp13 is no other type"), ("bf16", "bf16 is faster than bf16")])
def test_a_faster_float_type_that_is_none_is_seen(faster: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenVinoKind, "faster_float_type", lambda *_: faster)
    with pytest.raises(EngineError, match=said):
        building.knows_a_faster_float_type(OpenVinoKind(), OpenVinoOptions())


def test_a_profile_of_something_else_is_seen(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    real = OpenVinoKind.profile

    def slow(*arguments: Any, **settings: Any) -> tuple[LayerTime, ...]:
        return tuple(replace(layer, ms=1e4) for layer in real(*arguments, **settings))

    monkeypatch.setattr(OpenVinoKind, "profile", slow)
    with pytest.raises(EngineError, match=r"it tells of \d+ layers, \d+\.000 ms in all, and a run takes"):
        running.times_its_layers(built)


def test_what_a_kind_does_not_tell_is_not_tried(built: Built, tmp_path: Path) -> None:
    with pytest.raises(Untried, match="do not tell what runs"):
        running.times_its_layers(replace(built, folder=tmp_path))
