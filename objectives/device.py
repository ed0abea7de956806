"""Where a scorer's steps run: in child processes, alone on the device or beside others."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from ..errors import DeviceError
from .engines import EngineKind, EngineOptions, availability, engine_kind
from .isolation.child import run_in_child
from .isolation.lock import device_lock
from .store import Store, disk_errors

P = ParamSpec("P")
T = TypeVar("T")

_ANSWERS_WITHIN_S = 120.0  # a driver that hangs

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Device:
    """The device that engines of some options run on.

    Args:
        options: whose time limit a step has.
        store: gets the steps' logs.
        seconds: by step, what it took so far; steps add to it.
    """

    options: EngineOptions
    store: Store
    seconds: dict[str, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def kind(self) -> EngineKind:
        return engine_kind(self.options.kind)

    def this_very(self) -> str:
        """Tells the device, of this machine since it was started, from all others: what holds for no like one.

        Containers of one machine have this in common; a virtual machine has its own.
        """
        try:
            boot = _BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:  # Linux alone numbers its starts
            boot = platform.node()
        return f"{self.kind.device_id()} {boot}"

    def run(self, log: str, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """One step in a child process, within the time that a run may take.

        Args:
            log: name of the step's log, which is left among the store's.

        Raises:
            EngineError: it crashed or took too long.
            DiskError: the disk is full.
        """
        with disk_errors(self.store.root), self.counting(step.__name__):
            return run_in_child(
                step,
                *arguments,
                named=named,
                timeout_s=self.options.run_timeout_s,
                limit="engine.run_timeout_s",
                log_path=self.store.root / "logs" / f"{log}.log",
            )

    def run_timing(self, log: str, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """As `run`, of a step that times engines, for which nobody else of ours uses the device.

        On a CPU it is held from before the step's process starts, which is work for the CPU too. Elsewhere the step
        holds the device itself, once its engines are loaded. Raises the same.
        """
        with self._alone() if self.kind.runs_on_host_cpu else nullcontext():
            return self.run(log, step, *arguments, **named)

    def refuse_if_gone(self) -> None:
        """After an engine failed: whether it was the device, asked in a process of its own, that has seen none of it.

        Raises:
            DeviceError: engines can no longer run here.
        """
        if self.kind.runs_on_host_cpu:
            return
        log_path = self.store.root / "logs" / "device.log"
        found = run_in_child(availability, self.options.kind, timeout_s=_ANSWERS_WITHIN_S, log_path=log_path)
        if not found.can_run:
            raise DeviceError(f"{self.kind.name} can no longer run here, so this worker stops. {found.reason}")

    @contextmanager
    def counting(self, step: str) -> Iterator[None]:
        """Add to `seconds` what is done meanwhile, whether it succeeds or not."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.monotonic() - start

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else of ours uses the device meanwhile."""
        with device_lock(self.kind.device_id(), exclusive=True):
            yield

    def building(self) -> AbstractContextManager[None]:
        """A build, and nothing beside it that spoils its choice of kernels, where it chooses them by timing them.

        Holds nothing for a kind whose builds hold the device themselves: see `EngineKind.times_kernels_alone`.
        """
        if not self.kind.chooses_kernels:
            return self.beside_timing()
        return nullcontext() if self.kind.times_kernels_alone() else self._alone()

    @contextmanager
    def beside_timing(self, *, on_host: bool = False) -> Iterator[None]:
        """Work that may run beside its like, and not beside another process's timing on the same device.

        Never around a build, which may wait for this to end: that is `building`.

        Args:
            on_host: it uses this machine's CPU, and a device beside it not at all, or holds that itself: as the steps
                that score an engine do, for each inference.
        """
        if on_host and not self.kind.runs_on_host_cpu:
            yield
            return
        with device_lock(self.kind.device_id(), exclusive=False):
            yield
