"""What an NVIDIA GPU did while something was timed on it: clocks, heat, power, and who else used it. It only reads."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from ...errors import EngineError
from ..engines import Engine
from ..engines.gpu import NoGpu, present_gpu
from ..isolation.presence import others_of_ours
from .watch import Observation

T = TypeVar("T")

# NVML's reasons for lower clocks under load. Being idle, or set so by its owner, is no disturbance.
THROTTLING = {
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake",
}


@dataclass(frozen=True)
class GpuWatch:
    """Watches the GPU that CUDA uses here.

    A timing is disturbed if the GPU throttled (flag `throttled`) or another process computed on it (flag
    `foreign_process`). The readings tell the reasons, and how many samples they held in.

    Args:
        uuid: of the GPU, as NVML names it.
        period_s: between samples, which a thread takes; reading costs the host well below a millisecond.
        max_wait_s: how long it is waited for other processes to leave.
    """

    uuid: str
    period_s: float = 0.02
    max_wait_s: float = 10.0

    def wait_until_quiet(self) -> bool:
        """Whether no other process computes on the GPU; True at once where the driver does not tell."""
        deadline = time.monotonic() + self.max_wait_s
        with _nvml(self.uuid) as handle:
            while foreign_processes(handle, self.uuid):
                if time.monotonic() >= deadline:
                    return False
                time.sleep(self.period_s)
        return True

    def observe(self, work: Callable[[], T]) -> tuple[T, Observation]:
        """Do some work, which keeps the GPU busy, and tell what the GPU did meanwhile."""
        with _nvml(self.uuid) as handle:
            samples = _Samples(handle, self.uuid, self.period_s)
            with samples:
                result = work()
            return result, samples.observation()

    def energy_mj(self, engine: Engine, *, seconds: float = 1.0) -> float | None:
        """Millijoules of one run of an engine whose inputs are loaded, the whole board's, while nothing else runs.

        Mean power over some time of back-to-back runs, by the driver's energy counter, times the mean milliseconds of
        a run. None where the GPU has no such counter.
        """
        with _nvml(self.uuid) as handle:
            engine.run_once_ms()
            start_mj, start_s = _energy_mj(handle), time.monotonic()
            runs: list[float] = []
            while time.monotonic() - start_s < seconds:
                runs.append(engine.run_once_ms(len(runs)))
            end_mj, spent_s = _energy_mj(handle), time.monotonic() - start_s
        if start_mj is None or end_mj is None:
            return None
        watts = (end_mj - start_mj) / 1e3 / spent_s
        return watts * float(np.mean(runs))  # W times ms is mJ


def watch_of_present_gpu(*, max_wait_s: float) -> GpuWatch:
    """The watch of the GPU that CUDA uses here.

    Raises:
        EngineError: there is none.
    """
    gpu = present_gpu()
    if isinstance(gpu, NoGpu):
        raise EngineError(gpu.reason)
    return GpuWatch(gpu.uuid, max_wait_s=max_wait_s)


@dataclass
class _Samples:
    """Readings of one stretch of work, taken by a thread from `__enter__` to `__exit__`."""

    handle: Any
    uuid: str
    period_s: float
    clocks_mhz: list[int] = field(default_factory=list)
    memory_clocks_mhz: list[int] = field(default_factory=list)
    celsius: list[int] = field(default_factory=list)
    watts: list[float] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    foreign: int = 0

    def __enter__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._start_mj, self._start_s = _energy_mj(self.handle), time.monotonic()
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        self._end_mj, self._spent_s = _energy_mj(self.handle), time.monotonic() - self._start_s

    def _run(self) -> None:
        while True:
            self._sample()
            if self._ended.wait(self.period_s):
                self._sample()
                return

    def _sample(self) -> None:
        import pynvml

        self.clocks_mhz.append(pynvml.nvmlDeviceGetClockInfo(self.handle, pynvml.NVML_CLOCK_SM))
        self.memory_clocks_mhz.append(pynvml.nvmlDeviceGetClockInfo(self.handle, pynvml.NVML_CLOCK_MEM))
        self.celsius.append(pynvml.nvmlDeviceGetTemperature(self.handle, pynvml.NVML_TEMPERATURE_GPU))
        with _untold():
            self.watts.append(pynvml.nvmlDeviceGetPowerUsage(self.handle) / 1e3)
        with _untold():
            mask = pynvml.nvmlDeviceGetCurrentClocksEventReasons(self.handle)
            self.reasons.update(name for bit, name in THROTTLING.items() if mask & bit)
        self.foreign = max(self.foreign, foreign_processes(self.handle, self.uuid))

    def observation(self) -> Observation:
        readings: dict[str, float | str] = {
            "samples": len(self.clocks_mhz),
            "sm_clock_mhz": float(np.median(self.clocks_mhz)),
            "sm_clock_lowest_mhz": float(min(self.clocks_mhz)),
            "memory_clock_mhz": float(np.median(self.memory_clocks_mhz)),
            "celsius": float(max(self.celsius)),
        }
        if self.watts:
            readings["power_w"] = float(np.median(self.watts))
        if self._start_mj is not None and self._end_mj is not None:
            energy_j = (self._end_mj - self._start_mj) / 1e3
            readings |= {"energy_j": energy_j, "mean_power_w": energy_j / self._spent_s}
        if self.reasons:
            readings["throttled"] = ", ".join(f"{name} {count}" for name, count in sorted(self.reasons.items()))
        if self.foreign:
            readings["foreign_processes"] = self.foreign
        throttled = max(self.reasons.values(), default=0) / len(self.clocks_mhz)
        flags = (("throttled",) if throttled else ()) + (("foreign_process",) if self.foreign else ())
        return Observation(disturbance=throttled + self.foreign, flags=flags, readings=readings)


def foreign_processes(handle: Any, uuid: str) -> int:
    """How many processes of others have a CUDA context on the GPU; 0 where the driver does not tell.

    In a container the driver may number processes as the host does; this one is among them if it uses the GPU, and
    one is then taken off whatever its number. So are those of ours, which compute nothing while one of them times.
    """
    import pynvml

    try:
        pids = {process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    except pynvml.NVMLError:
        return 0
    others = len(pids - {os.getpid()}) if os.getpid() in pids else len(pids) - 1
    return max(0, others - others_of_ours(uuid)) if others > 0 else 0


def _energy_mj(handle: Any) -> int | None:
    import pynvml

    try:
        return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    except pynvml.NVMLError:
        return None


@contextmanager
def _untold() -> Iterator[None]:
    """A reading that some GPUs do not have."""
    import pynvml

    try:
        yield
    except pynvml.NVMLError_NotSupported:
        return


@contextmanager
def _nvml(uuid: str) -> Iterator[Any]:
    """NVML's handle of a GPU.

    Raises:
        EngineError: the driver does not answer, or knows no such GPU.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
    except pynvml.NVMLError as error:
        raise EngineError(f"The NVIDIA driver does not tell of the GPU ({error}): check nvidia-smi.") from error
    try:
        yield handle
    finally:
        pynvml.nvmlShutdown()
