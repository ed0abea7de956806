"""The reference's milliseconds and the spread of its timings, found by really timing it, once a machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest

from kernels import kernels_of_shared_dir
from lock_turns import is_free, is_held
from qpareto.errors import EngineError
from qpareto.objectives import clock, steps
from qpareto.objectives.clock import Clock
from qpareto.objectives.engines import Engine, build
from qpareto.objectives.engines.openvino.kind import OpenVinoKind, OpenVinoOptions
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.isolation.child import run_in_child
from qpareto.objectives.isolation.lock import device_lock
from qpareto.objectives.latency.paired import PairedLatency
from qpareto.objectives.latency.spread import BUILDS, PROCESSES, timings_of_spread
from qpareto.objectives.quantization.apply_mask import QuantizedModel
from qpareto.objectives.score import Scorer
from qpareto.objectives.store import Remote, Store, content_key
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask
from shapes_study import quick_scorer


@pytest.fixture
def scorer(shapes: Path, tmp_path: Path) -> Scorer:
    return quick_scorer(shapes, tmp_path)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[EngineRef]:
    """The engines that were timed; none counts as disturbed, as on a machine of its own."""
    engines: list[EngineRef] = []
    latency = Clock.latency

    def counted(self: Clock, engine: EngineRef, *arguments: object) -> PairedLatency:
        engines.append(engine)
        return replace(latency(self, engine, *arguments), flags=())

    monkeypatch.setattr(Clock, "latency", counted)
    return engines


@pytest.mark.parametrize("chooses_kernels", [True, False])
def test_the_spread_is_of_as_many_builds_as_may_differ_in_processes_of_their_own_and_is_found_once(
    chooses_kernels: bool, scorer: Scorer, timed: list[EngineRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenVinoKind, "chooses_kernels", chooses_kernels)  # as TensorRT does
    monkeypatch.setattr(clock, "timings_of_spread", timings_of_spread)  # as outside the tests
    monkeypatch.setattr(clock, "SPREAD", 101 + chooses_kernels)  # as if none had been found yet
    assert isinstance(scorer.options, OpenVinoOptions)
    if chooses_kernels:
        scorer = replace(scorer, options=replace(scorer.options, threads=2))  # of which no other test builds any
    against: list[EngineRef] = []
    builders: list[int] = []
    latency = Clock.latency

    def seen(self: Clock, engine: EngineRef, *arguments: object) -> PairedLatency:
        against.append(self.reference)
        return latency(self, engine, *arguments)

    def seen_to_build(*arguments: Any, **named: Any) -> None:
        builders.append(get_ident())
        run_in_child(*arguments, **named)

    monkeypatch.setattr(Clock, "latency", seen)
    monkeypatch.setattr(build, "run_in_child", seen_to_build)
    with ThreadPoolExecutor(2) as workers:  # that begin at once
        first, second = workers.map(Scorer.spread, (replace(scorer), replace(scorer)))
    assert first == second
    assert len(timed) == first.timings == (BUILDS if chooses_kernels else PROCESSES)
    assert len(set(timed)) == len(set(against)) == (BUILDS if chooses_kernels else 1)
    assert {engine.name for engine in timed}.isdisjoint(engine.name for engine in against)
    assert 0 < first.deviation < 1
    assert replace(scorer).spread() == first
    assert len(timed) == first.timings
    if chooses_kernels:  # they have shared out the builds
        assert len(builders) == 2 * BUILDS
        assert len(set(builders)) == 2


def test_on_a_gpu_engines_are_loaded_beside_others_and_timed_alone(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, engine, seen = OpenVinoKind().device_id(), scorer.reference(), list[str]()
    load, timed = EngineRef.load, steps._timed

    def seen_to_load(self: EngineRef) -> Engine:
        if seen[-1:] != ["loaded"]:  # nobody waits to be alone yet, as somebody does from the next line on
            assert is_free(device_lock(device, exclusive=False))
        assert is_held(device_lock(device, exclusive=True))
        seen.append("loaded")
        return load(self)

    def seen_to_time(*engines: Any, **named: Any) -> PairedLatency:
        assert is_held(device_lock(device, exclusive=False))
        seen.append("timed")
        with monkeypatch.context() as really:
            really.setattr(OpenVinoKind, "runs_on_host_cpu", True)
            return timed(*engines, **named)

    monkeypatch.setattr(OpenVinoKind, "runs_on_host_cpu", False)
    monkeypatch.setattr(EngineRef, "load", seen_to_load)
    monkeypatch.setattr(steps, "_timed", seen_to_time)
    monkeypatch.setattr(steps, "free_bytes", lambda: 1 << 33)
    pixels, budget, host = scorer.images.pixels, replace(scorer.budget, copies=2), scorer.load
    found = steps.time(engine, engine, pixels=pixels, head=scorer.head, sample=None, budget=budget, load=host)
    assert found.readings["copies"] == 2
    assert steps.time_images_against_one(engine, pixels, budget, host).median_ms > 0
    assert seen == [*["loaded"] * 4, "timed"] * 2


def test_another_machine_begins_with_the_timings_of_the_first_and_finds_its_engines_in_the_remote(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(OpenVinoKind, "chooses_kernels", True)
    monkeypatch.setattr(OpenVinoKind, "timing_cache", kernels_of_shared_dir)

    def on(machine: str, root: Path) -> Scorer:
        options = replace(scorer.options, shared_dir=tmp_path / machine)
        return replace(scorer, options=options, store=Store(root, Remote(f"file://{tmp_path / 'remote'}")))

    first, second = on("first", scorer.store.root), on("second", tmp_path / "cache")
    first._pairs_to_time(1)  # as a spread has it first
    monkeypatch.setattr(build, "run_in_child", pytest.fail)  # nothing is built any more
    assert second.reference().name == first.reference().name
    assert second.reference().folder != first.reference().folder


def test_where_no_engine_with_all_layers_in_int8_can_be_had_the_reference_is_timed_against_itself(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Scorer, choice: CalibrationChoice) -> QuantizedModel:
        raise EngineError(f"The engine of {choice} does not compute its graph.")

    monkeypatch.setattr(Scorer, "all_int8_graph", fail)
    assert scorer.least_like_the_reference().graph_hash == scorer.reference_graph().graph_hash
    assert caplog.messages[-1].endswith("lie apart. The engine of max:4 does not compute its graph.")


def test_a_measurement_tells_the_interval_of_a_new_timing_and_its_own(scorer: Scorer) -> None:
    candidate = Candidate(CalibrationChoice("max", 4), LayerMask.all([layer.name for layer in scorer.layers]))
    found = scorer.measure(candidate, scorer.quantize(candidate))
    assert found.timing.ratio.low <= found.timing.own.low <= found.timing.own.high <= found.timing.ratio.high
    assert found.timing.spread == scorer.spread().deviation


def test_what_was_kept_of_the_reference_is_read_if_it_was_timed_in_this_way_and_else_measured_anew(
    scorer: Scorer, timed: list[EngineRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "TIMING", steps.TIMING + 2)  # of which no other test keeps anything
    of_reference = scorer.clock()

    def fill(folder: Path) -> None:
        (folder / "ms.txt").write_text("12.5", encoding="ascii")

    of_reference.device.store.make("reference-ms", of_reference._key("reference-ms"), fill)
    assert of_reference.reference_ms() == 12.5
    assert timed == []
    monkeypatch.setattr(steps, "TIMING", steps.TIMING + 1)
    assert of_reference.reference_ms() != 12.5
    assert timed == [of_reference.reference]


def test_what_one_image_kept_is_not_what_many_in_turn_are_told_in(scorer: Scorer) -> None:
    of_one_image = content_key(reference=scorer.clock().reference.name, machine=scorer.clock().device.this_very())
    assert scorer.clock()._key("reference-ms") != of_one_image


def test_an_engine_on_many_images_is_timed_against_itself_on_one(scorer: Scorer) -> None:
    found = scorer.clock().images_against_one(scorer.reference())
    assert 0.2 < found.ratio.value < 5
    assert found.ratio.low <= found.ratio.value <= found.ratio.high
