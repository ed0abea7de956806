"""CPU quotas of containers: how many cores this process may use, and whether it was stopped for having used them up.

Docker's `--cpus`, Kubernetes' limits and systemd's CPUQuota are quotas of Linux's CFS: so many microseconds of CPU time
a period, 100 ms long as a rule. A process that has more threads than that runs at full speed until the quota is spent,
and then stands still until the period ends: a latency of 8 ms becomes one of 60 ms now and then. Cores and affinity
tell nothing of it. https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max, cpu.stat) and
https://docs.kernel.org/scheduler/sched-bwc.html (cpu.cfs_quota_us of version 1).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

PROC = Path("/proc/self")


@dataclass(frozen=True, kw_only=True)
class Throttling:
    """What the kernel has counted, summed over the groups that this process is in, of those with a quota.

    Args:
        periods: in which any of their processes ran.
        throttled: of these, those in which they were stopped.
    """

    periods: int = 0
    throttled: int = 0

    def share_since(self, before: Throttling) -> float:
        """Share of the periods since then in which this process, or one that shares its quota, was stopped, 0..1."""
        stopped = self.throttled - before.throttled
        return min(1.0, stopped / max(1, self.periods - before.periods)) if stopped > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class CpuGroups:
    """The cgroups that hold this process to a share of the CPU: its own first, then those around it.

    Args:
        version: of the hierarchy that controls the CPU.
        folders: of each group, as far as they can be seen from here.
    """

    version: Literal[1, 2]
    folders: tuple[Path, ...]

    def quota(self) -> float | None:
        """Cores that may be used, such as 1.5: the least of all groups' quotas; None if none has one."""
        found = (_quota(folder, self.version) for folder in self.folders)
        return min((cores for cores in found if cores is not None), default=None)

    def throttling(self) -> Throttling:
        """The counters now; zeros where there are none."""
        stats = [_counters(folder / "cpu.stat") for folder in self.folders if _quota(folder, self.version) is not None]
        return Throttling(
            periods=sum(stat.get("nr_periods", 0) for stat in stats),
            throttled=sum(stat.get("nr_throttled", 0) for stat in stats),
        )


def cpu_groups(proc: Path = PROC) -> CpuGroups | None:
    """The groups of this process; None where there are no cgroups, as on other systems.

    Args:
        proc: this process's folder, with `cgroup` and `mountinfo` as proc(5) tells them.
    """
    paths = dict(_memberships(proc / "cgroup"))
    for kind, mounted_at, root, options in _mounts(proc / "mountinfo"):
        if kind == "cgroup" and "cpu" in options:
            path = next((path for names, path in paths.items() if "cpu" in names.split(",")), None)
            if path is not None:
                return CpuGroups(version=1, folders=_upwards(mounted_at, root, path))
    for kind, mounted_at, root, _ in _mounts(proc / "mountinfo"):
        if kind == "cgroup2" and "" in paths:
            return CpuGroups(version=2, folders=_upwards(mounted_at, root, paths[""]))
    return None


def quota_of_process(proc: Path = PROC) -> float | None:
    """Cores that this process may use by its container's quota, such as 1.5; None if it has none."""
    groups = cpu_groups(proc)
    return None if groups is None else groups.quota()


def threads_within(quota: float | None, cores: int) -> int:
    """Threads that can always run: one a core, and none that the quota would stop; at least 1."""
    return cores if quota is None else max(1, min(cores, int(quota)))


def _memberships(path: Path) -> Iterator[tuple[str, str]]:
    """Controllers of a hierarchy, none in version 2, and this process's group in it."""
    for line in _lines(path):
        _, _, rest = line.partition(":")
        controllers, colon, group = rest.partition(":")
        if colon:
            yield controllers, group


def _mounts(path: Path) -> Iterator[tuple[str, Path, str, list[str]]]:
    """Type, mount point, the group that is mounted there, and options of every mounted hierarchy."""
    for line in _lines(path):
        fields, _, tail = line.partition(" - ")
        mount, filesystem = fields.split(), tail.split()
        if len(mount) > 4 and len(filesystem) > 2 and filesystem[0] in ("cgroup", "cgroup2"):
            yield filesystem[0], Path(mount[4]), mount[3], filesystem[2].split(",")


def _upwards(mounted_at: Path, root: str, group: str) -> tuple[Path, ...]:
    """A group's folder and those around it, up to the mount point: what lies above is not seen in a container.

    Args:
        root: the group that is mounted; the same as `group` in a container without a namespace of its own.
    """
    below = os.path.relpath(group, root) if PurePosixPath(group).is_relative_to(root) else "."
    folder = Path(os.path.normpath(mounted_at / below))
    return (folder, *(above for above in folder.parents if above.is_relative_to(mounted_at)))


def _quota(folder: Path, version: int) -> float | None:
    if version == 2:
        words = " ".join(_lines(folder / "cpu.max")).split()
    else:
        words = [*_lines(folder / "cpu.cfs_quota_us")[:1], *_lines(folder / "cpu.cfs_period_us")[:1]]
    try:
        quota_us, period_us = (int(word) for word in words)
    except ValueError:  # no file, or `max`
        return None
    return quota_us / period_us if quota_us > 0 and period_us > 0 else None


def _counters(path: Path) -> dict[str, int]:
    found = (line.split() for line in _lines(path))
    return {words[0]: int(words[1]) for words in found if len(words) == 2 and words[1].isdecimal()}


def _lines(path: Path) -> list[str]:
    """Of a file; none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
