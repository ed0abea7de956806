"""CUDA engines keep the engine contract, shown with a real network that PyTorch runs; replays are chosen by rule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.engines import EngineContract
from gpu_faults import run_once_after
from qpareto.errors import EngineError
from qpareto.objectives.engines import EngineKind, EngineOptions
from qpareto.objectives.engines.child import run_in_child
from qpareto.objectives.engines.cuda import MOST_REPLAYS, STRETCH_MS, CudaEngine, Port, cuda_errors, replays_for
from qpareto.objectives.engines.gpu import Gpu, present_gpu

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
        return EngineOptions(kind=kind.name, float_type="fp16")


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
