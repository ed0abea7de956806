"""A device beside the CPU is held for each inference of what is scored, and free while the CPU scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.engines import SmallDetector
from lock_turns import is_free, is_held
from qpareto.objectives import steps
from qpareto.objectives.accuracy.coco import Accuracy
from qpareto.objectives.accuracy.heads import Detections, Head
from qpareto.objectives.accuracy.race import Race
from qpareto.objectives.accuracy.raced import Contest
from qpareto.objectives.engines import Engine
from qpareto.objectives.engines.base import Infers
from qpareto.objectives.engines.build import build_engine
from qpareto.objectives.engines.in_turns import loaded_in_turns
from qpareto.objectives.engines.openvino.kind import OpenVinoEngine, OpenVinoKind, OpenVinoOptions
from qpareto.objectives.isolation.lock import device_lock
from qpareto.objectives.score import Scorer
from shapes_study import quick_scorer

DEVICE = OpenVinoKind().device_id()


@pytest.fixture
def scorer(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scorer:
    monkeypatch.setenv("QPARETO_LOCK_DIR", str(tmp_path / "locks"))
    return quick_scorer(shapes, tmp_path)


@pytest.fixture
def scored_alone(scorer: Scorer) -> Accuracy:
    return scorer.evaluator.accuracy(scorer.reference())


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Who has looked at the device, and found it as it should be; an engine runs on a device of its own."""
    found: set[str] = set()
    infer, detections = OpenVinoEngine.infer, Head.detections

    def seen_to_infer(self: OpenVinoEngine, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        if "infers" not in found:
            assert is_held(device_lock(DEVICE, exclusive=True))
            found.add("infers")
        return infer(self, images)

    def seen_to_score(self: Head, outputs: Sequence[NDArray[np.float32]]) -> list[Detections]:
        if "scores" not in found:
            assert is_free(device_lock(DEVICE, exclusive=True))
            found.add("scores")
        return detections(self, outputs)

    monkeypatch.setattr(OpenVinoKind, "runs_on_host_cpu", False)
    monkeypatch.setattr(OpenVinoEngine, "infer", seen_to_infer)
    monkeypatch.setattr(Head, "detections", seen_to_score)
    return found


def test_while_an_engine_is_scored_an_engine_that_waits_to_be_timed_waits_for_one_inference(
    scorer: Scorer, scored_alone: Accuracy, looked: set[str], tmp_path: Path
) -> None:
    steps.evaluate(scorer.reference(), scorer.images, scorer.head, tmp_path)
    assert looked == {"infers", "scores"}
    assert Accuracy.load(tmp_path).score == scored_alone.score


def test_so_it_does_while_an_engine_is_raced(
    scorer: Scorer, scored_alone: Accuracy, looked: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = steps._timed

    def timed_on_the_cpu(*engines: object, **named: object) -> object:
        with monkeypatch.context() as really:
            really.setattr(OpenVinoKind, "runs_on_host_cpu", True)
            return timed(*engines, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "_timed", timed_on_the_cpu)
    monkeypatch.setattr(steps, "free_bytes", lambda: None)
    engine = scorer.reference()
    _, rival, found = steps.race(
        engine,
        engine,
        images=scorer.images,
        head=scorer.head,
        budget=scorer.budget,
        load=scorer.load,
        energy=False,
        contest=Contest(race=Race(), front=(), seed=0),
        known=None,
    )
    assert rival is None
    assert isinstance(found, Accuracy)
    assert found.score == scored_alone.score
    assert looked == {"infers", "scores"}


def test_so_it_does_while_a_new_engine_is_held_against_its_graph(
    looked: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QPARETO_LOCK_DIR", str(tmp_path / "locks"))
    monkeypatch.setattr(OpenVinoKind, "times_kernels_alone", lambda kind: True)

    def proof(engine: Infers, onnx_path: Path, folder: Path) -> None:
        assert onnx_path.parent == folder
        assert is_free(device_lock(DEVICE, exclusive=True))
        engine.infer(np.zeros(engine.input_shape, np.float32))

    build_engine(SmallDetector(quantized=False).save(tmp_path / "g.onnx"), tmp_path, OpenVinoOptions(threads=1), proof)
    assert looked == {"infers"}


@pytest.mark.parametrize("fails", [False, True])
def test_it_is_loaded_and_closed_with_the_device_held_whatever_happens_between(
    fails: bool, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    close, reference = OpenVinoEngine.close, scorer.reference()

    @contextmanager
    def turn() -> Iterator[None]:
        events.append("held")
        yield
        events.append("free")

    def seen_to_load() -> Engine:
        events.append("loaded")
        return reference.load()

    def seen_to_close(self: OpenVinoEngine) -> None:
        events.append("closed")
        close(self)

    def use() -> None:
        with loaded_in_turns(seen_to_load, turn) as engine:
            assert engine.input_shape == scorer.model.input_shape
            if fails:
                raise RuntimeError
            engine.infer(np.zeros(engine.input_shape, np.float32))

    monkeypatch.setattr(OpenVinoEngine, "close", seen_to_close)
    with pytest.raises(RuntimeError) if fails else nullcontext():
        use()
    assert events == ["held", "loaded", "free", *([] if fails else ["held", "free"]), "held", "closed", "free"]
