"""The timing cache's file: shared, merged, never half a file, and left out where it does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qpareto.objectives.engines.tensorrt.timing_cache import TimingCacheFile, file_stem
from qpareto.objectives.engines.timings import name_of_timings
from qpareto.objectives.store import Store


class Cache:
    """Stands in for TensorRT's, which needs a GPU to hold anything: a set of kernels under a version and a GPU."""

    def __init__(self, content: bytes) -> None:
        self.version, self.gpu, *kernels = content.decode().split(",") if content else ["1", ""]
        self.kernels = set(kernels)

    def combine(self, other: Cache, *, ignore_mismatch: bool) -> bool:
        """As 8.6 does: never of two versions, and of two GPUs only if told to; then it says no with all merged."""
        if self.version != other.version or (self.gpu != other.gpu and not ignore_mismatch):
            return False
        self.kernels |= other.kernels
        return self.gpu == other.gpu

    def serialize(self) -> bytes:
        return ",".join([self.version, self.gpu, *sorted(self.kernels)]).encode()


class Config:
    """A builder's, of version 1."""

    def __init__(self, gpu: str) -> None:
        self.gpu = gpu
        self.cache: Cache | None = None

    def create_timing_cache(self, content: bytes) -> Cache:
        if content.startswith(b"\x00"):
            raise RuntimeError("no timing cache")
        return Cache(content)

    def set_timing_cache(self, cache: Cache, *, ignore_mismatch: bool) -> bool:
        del ignore_mismatch
        if cache.version != "1":
            return False
        self.cache, cache.gpu = cache, self.gpu  # one from another GPU is taken, and is this one's from then on
        return True

    def get_timing_cache(self) -> Cache | None:
        return self.cache


def build(file: TimingCacheFile, kernel: str, *, gpu: str = "GPU-0", beside: Any = None) -> set[str]:
    """A build that times one kernel, and what it knew from the file before."""
    config: Any = Config(gpu)
    file.lend(config)
    known = set(config.cache.kernels)
    if beside is not None:
        beside()
    config.cache.kernels.add(kernel)
    file.take_back(config)
    return known


@pytest.fixture
def file(tmp_path: Path) -> TimingCacheFile:
    return TimingCacheFile(tmp_path / "caches", gpu="NVIDIA GeForce RTX 3090-8.6", version="10.13.0")


def test_its_name_tells_the_gpu_and_the_version(file: TimingCacheFile) -> None:
    assert file.path.name == "timing-nvidia-geforce-rtx-3090-8.6-10.13.0.cache"
    assert file_stem("A/B", "1") == "a-b-1"


def test_a_later_build_knows_what_an_earlier_one_timed(file: TimingCacheFile) -> None:
    store = Store(file.path.parent.parent / "store")
    name = name_of_timings(file.path, store)  # begins it, empty
    assert build(file, "conv") == set()
    assert build(file, "gemm") == {"conv"}
    assert name_of_timings(file.path, store) == name


def test_what_two_builds_time_at_once_is_merged(file: TimingCacheFile) -> None:
    build(file, "conv", beside=lambda: build(file, "gemm"))
    assert build(file, "pool") == {"conv", "gemm"}


def test_what_two_gpus_of_one_model_time_at_once_is_merged(file: TimingCacheFile) -> None:
    build(file, "pool")
    build(file, "conv", beside=lambda: build(file, "gemm", gpu="GPU-1"))
    build(file, "relu", gpu="GPU-1", beside=lambda: build(file, "add"))
    assert build(file, "mul", gpu="GPU-2") == {"pool", "conv", "gemm", "relu", "add"}


@pytest.mark.parametrize("content", [b"\x00truncated", b"2,GPU-0,of,another,version"])
def test_a_file_that_does_not_fit_is_left_out_and_replaced(file: TimingCacheFile, content: bytes) -> None:
    store = Store(file.path.parent.parent / "store")
    name = name_of_timings(file.path, store)
    file.path.write_bytes(content)
    assert build(file, "conv") == set()
    assert build(file, "gemm") == {"conv"}
    assert name_of_timings(file.path, store) not in {name, None}


@pytest.mark.filterwarnings("ignore:.*no-ops in TensorRT-RTX:DeprecationWarning")
@pytest.mark.parametrize("damage", ["none", "truncated", "changed", "garbage"])
def test_tensorrt_itself_takes_no_harm_from_a_damaged_file(file: TimingCacheFile, damage: str) -> None:
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX")
    config = trt.Builder(trt.Logger(trt.Logger.INTERNAL_ERROR)).create_builder_config()
    whole = bytes(config.create_timing_cache(b"").serialize())
    contents = {"truncated": whole[: len(whole) // 2], "changed": bytes(255 - b for b in whole), "garbage": b"garbage"}
    file.path.parent.mkdir()
    file.path.write_bytes(contents.get(damage, whole))
    file.lend(config)
    file.take_back(config)
    assert bytes(config.create_timing_cache(file.path.read_bytes()).serialize()) == whole
