"""What counts as a disturbance on a GPU, by a driver that tells made-up readings; and by the real one where it is."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from qpareto.objectives.engines import Engine
from qpareto.objectives.engines.gpu import Gpu, present_gpu
from qpareto.objectives.isolation.child import run_in_child
from qpareto.objectives.isolation.presence import announce
from qpareto.objectives.latency.gpu_watch import GpuWatch, foreign_processes, watch_of_present_gpu


class Driver:
    """Readings that NVML gives."""

    def __init__(self) -> None:
        self.reasons = 0x1 | 0x2  # idle, and clocks set by the owner: no disturbance
        self.pids = [os.getpid()]
        self.energy_mj = 0

    def energy(self, handle: Any) -> int:
        """The board draws 100 W."""
        del handle
        return int(time.monotonic() * 100_000)

    def processes(self, handle: Any) -> list[Any]:
        del handle
        return [SimpleNamespace(pid=pid) for pid in self.pids]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    found = Driver()
    told = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
        "nvmlDeviceGetClockInfo": lambda handle, kind: 1980 if kind == pynvml.NVML_CLOCK_SM else 2619,
        "nvmlDeviceGetTemperature": lambda handle, kind: 42,
        "nvmlDeviceGetPowerUsage": lambda handle: 100_000,
        "nvmlDeviceGetCurrentClocksEventReasons": lambda handle: found.reasons,
        "nvmlDeviceGetTotalEnergyConsumption": found.energy,
        "nvmlDeviceGetComputeRunningProcesses": found.processes,
    }
    for name, answer in told.items():
        monkeypatch.setattr(pynvml, name, answer)
    return found


WATCH = GpuWatch("GPU-0", period_s=0.005, max_wait_s=0.05)


def _short_work() -> str:
    time.sleep(0.05)
    return "done"


@pytest.mark.usefixtures("driver")
def test_a_quiet_gpu_is_no_disturbance_and_its_readings_are_kept() -> None:
    result, seen = WATCH.observe(_short_work)
    assert result == "done"
    assert (seen.disturbance, seen.flags) == (0, ())
    assert seen.readings["sm_clock_mhz"] == 1980
    assert seen.readings["celsius"] == 42
    assert seen.readings["mean_power_w"] == pytest.approx(100, rel=0.2)


@pytest.mark.parametrize(("bit", "reason"), [(0x4, "sw_power_cap"), (0x40, "hw_thermal_slowdown")])
def test_throttling_is_flagged_with_its_reason(driver: Driver, bit: int, reason: str) -> None:
    driver.reasons |= bit
    _, seen = WATCH.observe(lambda: time.sleep(0.02))
    assert seen.flags == ("throttled",)
    assert seen.disturbance > 0
    assert reason in str(seen.readings["throttled"])


def test_another_process_is_flagged_and_waited_for(driver: Driver) -> None:
    assert WATCH.wait_until_quiet()
    driver.pids.append(os.getpid() + 1)
    assert not WATCH.wait_until_quiet()
    _, seen = WATCH.observe(lambda: time.sleep(0.02))
    assert seen.flags == ("foreign_process",)


def test_where_the_driver_numbers_processes_otherwise_one_of_them_is_this(driver: Driver) -> None:
    driver.pids = [7_000_001]
    assert foreign_processes("gpu", "GPU-0") == 0
    driver.pids = [7_000_001, 7_000_002]
    assert foreign_processes("gpu", "GPU-0") == 1


def test_processes_of_ours_are_no_disturbance_for_the_device_lock_keeps_them_still(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QPARETO_LOCK_DIR", str(tmp_path))
    driver.pids = [os.getpid(), 7_000_001, 7_000_002]
    assert foreign_processes("gpu", "GPU-0") == 2
    run_in_child(announce, "GPU-0", timeout_s=60, log_path=tmp_path / "log", kept="idle")
    assert foreign_processes("gpu", "GPU-0") == 1
    run_in_child(announce, "GPU-1", timeout_s=60, log_path=tmp_path / "log", kept="on another GPU")
    assert foreign_processes("gpu", "GPU-0") == 1
    run_in_child(announce, "GPU-0", timeout_s=60, log_path=tmp_path / "log")  # whose process has ended
    assert foreign_processes("gpu", "GPU-0") == 1


class Steady(Engine):
    """Each run takes 2 ms by its own word."""

    def infer(self, images: Any) -> Any:
        raise NotImplementedError

    def load_inputs(self, batches: Any) -> None:
        raise NotImplementedError

    def timed_outputs(self, turn: int = 0) -> Any:
        raise NotImplementedError

    def run_once_ms(self, turn: int = 0) -> float:
        time.sleep(0.002)
        return 2.0

    def close(self) -> None:
        pass


@pytest.mark.usefixtures("driver")
def test_energy_of_a_run_is_power_times_its_time() -> None:
    assert WATCH.energy_mj(Steady(), seconds=0.1) == pytest.approx(200, rel=0.2)


@pytest.mark.gpu
@pytest.mark.skipif(not isinstance(present_gpu(), Gpu), reason="needs an NVIDIA GPU")
def test_the_real_driver_tells_clocks_and_temperature() -> None:
    _, seen = watch_of_present_gpu(max_wait_s=1).observe(lambda: time.sleep(0.1))
    assert float(seen.readings["sm_clock_mhz"]) > 100
    assert 0 < float(seen.readings["celsius"]) < 110
