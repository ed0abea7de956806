"""CUDA engines keep the engine contract, shown with a real network that PyTorch runs; replays are chosen by rule."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.engines import EngineContract
from gpu_faults import run_once_after
from host_cuda import Doubling, HostGpu
from qpareto.errors import EngineError
from qpareto.objectives.engines import EngineKind, EngineOptions
from qpareto.objectives.engines.cuda import (
    MOST_REPLAYS,
    STRETCH_MS,
    CudaEngine,
    Floats,
    Port,
    cuda_errors,
    replays_for,
)
from qpareto.objectives.engines.gpu import Gpu, present_gpu
from qpareto.objectives.isolation.child import run_in_child

needs_gpu = pytest.mark.skipif(not isinstance(present_gpu(), Gpu), reason="needs an NVIDIA GPU")


def torch_sees_the_gpu() -> bool:
    """PyTorch's build for CPUs is installed where no network reaches the other."""
    torch = pytest.importorskip("torch")
    return bool(torch.cuda.is_available())


@pytest.mark.gpu
@needs_gpu
class TestCudaEngine(EngineContract):
    @pytest.fixture
    def kind(self) -> EngineKind:
        if not torch_sees_the_gpu():
            pytest.skip("needs PyTorch with CUDA")
        from torch_network import TorchKind

        return TorchKind()


@pytest.mark.gpu
@needs_gpu
class TestCudaEngineInFp16(TestCudaEngine):
    float_tolerance: ClassVar[float] = 5e-3
    int8_tolerance: ClassVar[float] = 0.2  # FP16 itself turns one rounding in 16 the other way at a Q

    @pytest.fixture
    def options(self, kind: EngineKind) -> EngineOptions:
        return kind.options(kind=kind.name, float_type="fp16")


class Oversized:
    """A program whose output no GPU holds."""

    input = Port(name="images", shape=(1, 3, 8, 8))
    outputs: tuple[Port, ...] = (Port(name="output", shape=(1 << 40,)),)

    def bind(self, addresses: Mapping[str, int]) -> None:
        raise AssertionError("there is no such memory")

    def enqueue(self, stream: int) -> None:
        raise AssertionError("there is no such memory")

    def close(self) -> None:
        pass


@pytest.mark.gpu
@needs_gpu
def test_an_engine_that_does_not_fit_is_refused_with_the_way_out() -> None:
    with pytest.raises(EngineError, match=r"memory ran out\. Lower engine\.batch"):
        CudaEngine(Oversized())


@pytest.mark.gpu
@needs_gpu
def test_a_sticky_cuda_error_ends_with_its_child_process_and_the_next_is_clean(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"The GPU cannot run the engine: .*ILLEGAL") as failure:
        run_in_child(run_once_after, "illegal address", timeout_s=60, log_path=tmp_path / "log")
    assert failure.value.log_path == tmp_path / "log"
    assert run_in_child(run_once_after, "nothing", timeout_s=60, log_path=tmp_path / "log") > 0


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> HostGpu:
    found = HostGpu()
    monkeypatch.setitem(sys.modules, "cuda.core", found)
    return found


def images_that_take(*milliseconds: float) -> list[Floats]:
    """An input for each, of which a replay takes so long."""
    return [np.full(Doubling.input.shape, ms, np.float32) for ms in milliseconds]


def test_inputs_take_turns_in_the_graph_whatever_is_inferred_between(gpu: HostGpu) -> None:
    with CudaEngine(Doubling(gpu)) as engine:
        engine.load_inputs(iter(images_that_take(1, 2, 3)))
        for turn in (0, 1, 2, 4, 0, 5):
            assert engine.run_once_ms(turn) == pytest.approx(1 + turn % 3)
            np.testing.assert_array_equal(engine.timed_outputs(turn)[0], 2 * (1 + turn % 3))
            engine.infer(*images_that_take(7))
            assert engine.run_once_ms(turn) == pytest.approx(1 + turn % 3)


def test_an_input_goes_to_the_device_once_and_within_it_only_when_another_was_shown(gpu: HostGpu) -> None:
    to_device, within = (False, True), (True, True)
    with CudaEngine(Doubling(gpu)) as engine:
        engine.load_inputs(images_that_take(1, 2))
        assert gpu.copies == [to_device, within] * 2
        gpu.copies.clear()
        for turn in (0, 0, 1, 1, 2, 2):
            engine.run_once_ms(turn)
        assert gpu.copies == [within] * 3


def test_inputs_give_their_memory_back_when_others_are_loaded_and_when_the_engine_is_closed(gpu: HostGpu) -> None:
    engine = CudaEngine(Doubling(gpu))
    ports = len(gpu.alive)
    engine.load_inputs(images_that_take(1, 2, 3))
    assert len(gpu.alive) == ports + 3
    engine.load_input(*images_that_take(4))
    assert len(gpu.alive) == ports + 1
    assert engine.run_once_ms(9) == pytest.approx(4)
    engine.close()
    assert gpu.alive == []


@given(one_ms=st.floats(0, 1e4))
def test_as_many_replays_as_make_the_stretch_and_never_none(one_ms: float) -> None:
    replays = replays_for(one_ms)
    assert 1 <= replays <= MOST_REPLAYS
    assert replays == MOST_REPLAYS or replays * one_ms >= STRETCH_MS
    assert replays == 1 or (replays - 1) * one_ms < STRETCH_MS


def test_a_ports_bytes_are_those_of_float32() -> None:
    assert Port(name="images", shape=(1, 3, 4, 5)).bytes == 240


def test_a_cuda_error_is_one_sentence_and_a_bug_stays_one() -> None:
    expected = pytest.raises(
        EngineError, match=r"^The GPU cannot run the engine: CUDA_ERROR_LAUNCH_FAILED: it broke\.$"
    )
    with expected, cuda_errors("The GPU cannot run the engine"):
        raise RuntimeError("CUDA_ERROR_LAUNCH_FAILED: it broke\nsecond line")
    with pytest.raises(KeyError), cuda_errors("The GPU cannot run the engine"):
        raise KeyError("a bug")


def test_memory_that_runs_out_names_the_way_out() -> None:
    expected = pytest.raises(EngineError, match=r"memory ran out\. Lower engine\.batch")
    with expected, cuda_errors("The GPU cannot take the engine"):
        raise RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory")
