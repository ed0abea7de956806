"""The engine that this machine runs best, as a drafted study names it."""

from __future__ import annotations

import os

from ...errors import StudyError
from ...objectives.engines import KINDS, EngineOptions, engine_kind
from ...objectives.latency.cgroup import quota_of_process, threads_within


def engine_for_here(*, batch: int) -> EngineOptions:
    """The kind that can build and run here, one of a GPU before one of the processor, in its usual float type.

    Raises:
        StudyError: none can.
    """
    kinds = [kind for kind in map(engine_kind, KINDS) if (here := kind.availability()).can_build and here.can_run]
    if not kinds:
        raise StudyError("No kind of engine can be built and run here: `qpareto doctor` tells what mends that.")
    kind = min(kinds, key=lambda kind: kind.runs_on_host_cpu)
    options = kind.options(kind=kind.name, batch=batch, float_type=kind.float_types[0])
    return options.with_cpu_threads(_threads())


def _threads() -> int:
    """The physical cores that this process may use, by its container's quota too, as far as the system tells."""
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return threads_within(quota_of_process(), min(usable, psutil.cpu_count(logical=False) or usable))
