"""What else the machine's processors did while something was timed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .cgroup import PROC, cpu_groups
from .watch import Observation

T = TypeVar("T")

_BUSY_FIELDS = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal: proc_stat(5); guests count as user


@dataclass(frozen=True, kw_only=True)
class CpuTimes:
    """Seconds since some fixed moment, of one reading.

    Args:
        busy_s: summed over processors, by whomever; steal, time that the host gave to others, included.
        own_s: used by this process, all its threads.
        clock_s: by the wall.
        processors: at least 1.
    """

    busy_s: float
    own_s: float
    clock_s: float
    processors: int


@dataclass(frozen=True)
class HostLoad:
    """The share of this machine's CPU time that anybody but this process uses, and whether a quota stopped it.

    In a container, /proc/stat tells of the whole machine, so neighbours are seen too. A container whose quota was used
    up is disturbed as well, by whomever (see `cgroup`): neighbours in it may be waited for, too many threads may not.

    Args:
        limit: a share above this disturbs timing, 0..1.
        max_wait_s: how long quiet is waited for.
        window_s: how long the share is taken over while waiting; the kernel counts in hundredths of a second.
    """

    limit: float = 0.05
    max_wait_s: float = 10.0
    window_s: float = 0.25
    proc_stat: Path = Path("/proc/stat")
    proc: Path = PROC

    def wait_until_quiet(self) -> bool:
        """Whether the share fell to the limit in time, and no quota was used up. True at once where it is unknown."""
        deadline = time.monotonic() + self.max_wait_s
        while True:
            (_, share), stopped = self._with_throttling(lambda: self.watched(lambda: time.sleep(self.window_s)))
            if (share is None or share <= self.limit) and not stopped:
                return True
            if time.monotonic() >= deadline:
                return False

    def observe(self, work: Callable[[], T]) -> tuple[T, Observation]:
        """Do some work; disturbed if others used more than the limit meanwhile, or a quota stopped this process."""
        (result, share), stopped = self._with_throttling(lambda: self.watched(work))
        loaded = share is not None and share > self.limit
        told = {"load_unknown": share is None, "foreign_load": loaded, "cpu_throttled": stopped > 0}
        return result, Observation(
            disturbance=max(stopped, share if share is not None and loaded else 0.0),
            flags=tuple(flag for flag, is_so in told.items() if is_so),
            foreign_load=share,
        )

    def _with_throttling(self, work: Callable[[], T]) -> tuple[T, float]:
        """Do some work, and tell the share of its periods in which a quota stopped it, 0..1; 0 where there is none."""
        groups = cpu_groups(self.proc)
        if groups is None:
            return work(), 0.0
        before = groups.throttling()
        result = work()
        return result, groups.throttling().share_since(before)

    def watched(self, work: Callable[[], T]) -> tuple[T, float | None]:
        """Do some work, and tell what share others used meanwhile, 0..1; None if this system does not tell."""
        before = cpu_times(self.proc_stat)
        result = work()
        after = cpu_times(self.proc_stat)
        return result, None if before is None or after is None else foreign_share(before, after)


def cpu_times(proc_stat: Path) -> CpuTimes | None:
    """Read Linux's counters; None where there are none."""
    try:
        lines = [line.split() for line in proc_stat.read_text(encoding="ascii").splitlines() if line.startswith("cpu")]
        ticks = [int(field) for field in lines[0][1:]]
    except (OSError, ValueError, IndexError):
        return None
    return CpuTimes(
        busy_s=sum(ticks[i] for i in _BUSY_FIELDS if i < len(ticks)) / os.sysconf("SC_CLK_TCK"),
        own_s=time.process_time(),
        clock_s=time.monotonic(),
        processors=max(1, len(lines) - 1),
    )


def foreign_share(before: CpuTimes, after: CpuTimes) -> float | None:
    """Share of all processors' time between two readings that this process did not use, 0..1.

    None where the counters stand still while this process worked, as in some sandboxes.
    """
    busy_s, own_s = after.busy_s - before.busy_s, after.own_s - before.own_s
    if busy_s <= 0 and own_s > 0.1:
        return None
    capacity_s = (after.clock_s - before.clock_s) * after.processors
    return min(1.0, max(0.0, (busy_s - own_s) / capacity_s))
