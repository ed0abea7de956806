"""A build has the GPU to itself while it times kernels, and stops while an engine is timed, by what 8.6.1 tells."""

from __future__ import annotations

import gzip
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lock_turns import had, is_free, is_held
from qpareto.errors import DiskError
from qpareto.objectives.engines.tensorrt import gpu_turns
from qpareto.objectives.engines.tensorrt.gpu_turns import GpuTurns
from qpareto.objectives.engines.tensorrt.log import TensorRtLog
from qpareto.objectives.isolation.lock import device_lock, kernel_lock

GPU = "GPU-0"
TUNING = "*************** Autotuning format combination: Half(12800,6400,80,1) -> Half(12800,6400,80,1) ***************"
BEGINS = "--------------- Timing Runner: /model.0/conv/Conv (CaskConvolution[0x80000009])"
TIMED = "Tactic: 0x0000000000000002 Time: 0.0174344"
NO_TACTICS = "CaskConvolution has no valid tactics for this config, skipping"
CHOSEN = ">>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution Tactic: 0x733ba2a91a48d431"
NEXT_LAYER = "=============== Computing costs for "

# Of a build of YOLO11n, batch 32, 53 layers INT8, on an H200, from a timing cache that knew most kernels: seconds since
# its beginning and the first 64 characters of each message, from the first layer on.
BUILD_LOG = Path(__file__).with_name("build-log-8.6.1.txt.gz")


@pytest.fixture(autouse=True)
def lock_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QPARETO_LOCK_DIR", str(tmp_path / "locks"))
    return tmp_path / "locks"


def said() -> list[tuple[float, str]]:
    """What that build said, each with its seconds."""
    lines = gzip.decompress(BUILD_LOG.read_bytes()).decode().splitlines()
    return [(float(seconds), message) for seconds, _, message in (line.partition(" ") for line in lines)]


def log_of_a_library() -> TensorRtLog:
    class Bindings:
        class ILogger:
            pass

    bindings: Any = Bindings
    return TensorRtLog(bindings)


@pytest.fixture
def log() -> TensorRtLog:
    return log_of_a_library()


def test_while_kernels_are_timed_the_gpu_is_this_builds(log: TensorRtLog) -> None:
    with GpuTurns(log, GPU) as turns, turns.taken():
        for message in (TUNING, BEGINS, TIMED, TIMED):
            log.hear("VERBOSE", message)
        assert is_held(kernel_lock(GPU))
        assert is_held(device_lock(GPU, exclusive=False))
        log.hear("VERBOSE", CHOSEN)
        assert is_free(kernel_lock(GPU))


@pytest.mark.parametrize("message", [CHOSEN, NEXT_LAYER, TUNING, NO_TACTICS])
def test_what_follows_a_layers_timing_frees_the_gpu(log: TensorRtLog, message: str) -> None:
    with GpuTurns(log, GPU) as turns, turns.taken():
        log.hear("VERBOSE", BEGINS)
        log.hear("VERBOSE", message)
        assert is_free(kernel_lock(GPU))


def test_kernels_that_the_timing_cache_knows_keep_nobody_waiting(log: TensorRtLog) -> None:
    with GpuTurns(log, GPU) as turns, turns.taken():
        for message in (NEXT_LAYER, TUNING, TUNING, TUNING):
            log.hear("VERBOSE", message)
        assert is_free(kernel_lock(GPU))


def test_another_library_of_kernels_for_the_same_layer_is_timed_without_a_pause(log: TensorRtLog) -> None:
    with GpuTurns(log, GPU) as turns, turns.taken():
        for message in (BEGINS, TIMED, BEGINS, TIMED):
            log.hear("VERBOSE", message)
        assert is_held(kernel_lock(GPU))


def test_a_build_that_fails_as_it_times_kernels_frees_the_gpu(log: TensorRtLog) -> None:
    def build() -> None:
        with GpuTurns(log, GPU) as turns, turns.taken():
            log.hear("VERBOSE", BEGINS)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        build()
    assert is_free(kernel_lock(GPU))


def test_what_is_said_after_a_build_holds_nothing(log: TensorRtLog) -> None:
    with GpuTurns(log, GPU) as turns, turns.taken():
        log.hear("VERBOSE", BEGINS)
    log.hear("VERBOSE", BEGINS)
    assert is_free(kernel_lock(GPU))


def test_a_build_stops_between_two_steps_for_an_engine_that_waits_to_be_timed(log: TensorRtLog) -> None:
    with GpuTurns(log, GPU) as turns, turns.taken():
        log.hear("VERBOSE", BEGINS)
        timed = had(device_lock(GPU, exclusive=True))
        assert not timed.wait(0.3)
        log.hear("VERBOSE", TIMED)  # one kernel; others follow
        assert not timed.is_set()
        log.hear("VERBOSE", CHOSEN)
        assert timed.is_set()
        log.hear("VERBOSE", BEGINS)
        assert is_held(kernel_lock(GPU))


def test_a_build_stops_for_nobody_before_and_after_kernels_are_chosen(log: TensorRtLog) -> None:
    """It may have the timing cache's file in hand then, for which other builds on the GPU wait."""
    with GpuTurns(log, GPU) as turns:
        with turns.taken():
            log.hear("VERBOSE", CHOSEN)
        timed = had(device_lock(GPU, exclusive=True))
        assert not timed.wait(0.3)
        log.hear("VERBOSE", "Loaded 1234 timing cache entries")
        assert not timed.wait(0.3)
    assert timed.wait(60)


def test_builds_of_a_library_that_does_not_tell_hold_nothing_by_themselves(log: TensorRtLog) -> None:
    with device_lock(GPU, exclusive=True), GpuTurns(log, None) as turns, turns.taken():
        log.hear("VERBOSE", BEGINS)
        assert is_free(kernel_lock(GPU))


def test_builds_that_wait_for_one_anothers_kernels_keep_no_timing_waiting(log: TensorRtLog) -> None:
    others, other_goes_on = log_of_a_library(), threading.Event()

    def build() -> None:
        with GpuTurns(others, GPU) as turns, turns.taken():
            others.hear("VERBOSE", BEGINS)  # waits until the first build's kernels are timed
            others.hear("VERBOSE", CHOSEN)
            other_goes_on.set()

    with GpuTurns(log, GPU) as turns, turns.taken():
        log.hear("VERBOSE", BEGINS)
        threading.Thread(target=build, daemon=True).start()
        timed = had(device_lock(GPU, exclusive=True))
        assert not other_goes_on.wait(0.3)
        for message in (CHOSEN, TUNING, BEGINS, CHOSEN):
            log.hear("VERBOSE", message)
        assert timed.wait(60)
    assert other_goes_on.wait(60)


def test_builds_on_one_gpu_all_end_beside_timings_without_end_and_nothing_runs_beside_a_timing() -> None:
    messages = [message for _, message in said()[:4000]]
    on_gpu, beside, cache_file, done = set[int](), list[set[int]](), threading.Lock(), threading.Semaphore(0)

    def build() -> None:
        own = log_of_a_library()
        with GpuTurns(own, GPU) as turns:
            with turns.taken():
                for message in messages:
                    on_gpu.discard(threading.get_ident())
                    own.hear("VERBOSE", message)
                    on_gpu.add(threading.get_ident())
            with cache_file:  # as of the timing cache, for which builds wait that hold the GPU
                for message in messages[:100]:
                    own.hear("VERBOSE", message)
            on_gpu.discard(threading.get_ident())
        done.release()

    def evaluate() -> None:
        while not ended.is_set():
            with device_lock(GPU, exclusive=False):
                on_gpu.add(threading.get_ident())
                time.sleep(0.002)
                on_gpu.discard(threading.get_ident())

    def time_an_engine() -> None:
        while not ended.is_set():
            with device_lock(GPU, exclusive=True):
                time.sleep(0.002)
                beside.append(set(on_gpu))

    ended, builds = threading.Event(), 6
    for work in (*[build] * builds, evaluate, time_an_engine, time_an_engine):
        threading.Thread(target=work, daemon=True).start()
    assert all(done.acquire(timeout=60) for _ in range(builds))
    ended.set()
    assert len(beside) > 20
    assert not any(beside)


def test_an_engine_waits_for_a_real_build_for_a_quarter_of_a_second_on_average_and_three_at_most(
    log: TensorRtLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_s, ways = 0.0, list[float]()

    @contextmanager
    def building(device: str) -> Iterator[Callable[[], None]]:
        assert device == GPU
        yield lambda: ways.append(at_s)

    monkeypatch.setattr(gpu_turns, "build_lock", building)
    build = said()
    with GpuTurns(log, GPU) as turns, turns.taken():
        for at_s, message in build:  # noqa: B007 - `building` reads it
            log.hear("VERBOSE", message)
    waits = np.diff([build[0][0], *ways, at_s])
    assert (waits**2).sum() / 2 / waits.sum() < 0.25  # of one that comes at any moment
    assert waits.max() < 3


def test_a_gpu_that_cannot_be_held_is_told_once_the_build_is_over(log: TensorRtLog, lock_dir: Path) -> None:
    steps = []

    def build() -> None:
        with GpuTurns(log, GPU) as turns, turns.taken():
            shutil.rmtree(lock_dir)
            lock_dir.write_text("no folder")
            for message in (BEGINS, TIMED, BEGINS):
                log.hear("VERBOSE", message)
                steps.append(message)

    with pytest.raises(DiskError, match="locks"):
        build()
    assert len(steps) == 3


def test_every_kernel_of_a_real_build_is_timed_alone_and_nine_tenths_of_its_time_are_others(
    log: TensorRtLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    held_s, since_s, at_s = 0.0, 0.0, 0.0

    class Watched:
        """The lock, as the build sees it."""

        def __init__(self, device: str) -> None:
            assert device == GPU

        def __enter__(self) -> None:
            nonlocal since_s
            assert not held
            held.append(True)
            since_s = at_s

        def __exit__(self, *error: object) -> None:
            nonlocal held_s
            held.pop()
            held_s += at_s - since_s

    monkeypatch.setattr(gpu_turns, "kernel_lock", Watched)
    build = said()
    begun_s, timed = build[0][0], 0
    with GpuTurns(log, GPU) as turns, turns.taken():
        for at_s, message in build:
            if re.match(r"Tactic: 0x\w+ Time: ", message):
                assert held, f"{message} at {at_s}"
                timed += 1
            log.hear("VERBOSE", message)
        assert not held
    assert timed > 500
    assert held_s / (at_s - begun_s) < 0.15


@given(st.lists(st.sampled_from([BEGINS, TIMED, NO_TACTICS, CHOSEN, NEXT_LAYER, TUNING, "Layer: /model.0 Scratch: 0"])))
def test_the_gpu_is_held_from_a_timings_begin_to_its_end_whatever_comes_between(messages: list[str]) -> None:
    log = log_of_a_library()
    ends = {NO_TACTICS, CHOSEN, NEXT_LAYER, TUNING}
    expected = [message for message in messages if message in {BEGINS} | ends][-1:] == [BEGINS]
    with GpuTurns(log, GPU) as turns, turns.taken():
        for message in messages:
            log.hear("VERBOSE", message)
        assert is_held(kernel_lock(GPU)) if expected else is_free(kernel_lock(GPU))
