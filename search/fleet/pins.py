"""What each worker of a machine may use: one GPU, or some cores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import QParetoError

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One worker's share of the machine.

    Args:
        env: variables that show it its GPU alone.
        cores: the CPU cores that it may use; all if empty.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    cores: frozenset[int] = frozenset()


def pins_on_gpus(workers: int, gpus: Sequence[str]) -> tuple[Pin, ...]:
    """A GPU each, in turn; nothing is pinned where there is none: the worker itself tells that best.

    Args:
        gpus: as CUDA_VISIBLE_DEVICES names them.
    """
    if not gpus:
        return (Pin(),) * workers
    return tuple(Pin(env={VISIBLE: gpus[worker % len(gpus)]}) for worker in range(workers))


def pins_on_cores(workers: int, cores: int | None, present: Sequence[int]) -> tuple[Pin, ...]:
    """So many cores each, and no core twice; nothing is pinned if None.

    Args:
        present: the cores that this process may use.

    Raises:
        QParetoError: there are not so many.
    """
    if cores is None:
        return (Pin(),) * workers
    if workers * cores > len(present):
        raise QParetoError(
            f"{workers} workers with {cores} cores each need {workers * cores} cores, and this machine gives "
            f"{len(present)}: lower --workers or --cores."
        )
    return tuple(Pin(cores=frozenset(present[i * cores : (i + 1) * cores])) for i in range(workers))


def present_gpus() -> tuple[str, ...]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; none without a driver."""
    import pynvml

    if (told := os.environ.get(VISIBLE)) is not None:
        return tuple(name.strip() for name in told.split(",") if name.strip())
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        count = pynvml.nvmlDeviceGetCount()
        return tuple(str(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(i))) for i in range(count))
    finally:
        pynvml.nvmlShutdown()


def present_cores() -> tuple[int, ...]:
    """The CPU cores that this process may use."""
    return tuple(sorted(os.sched_getaffinity(0)))
