"""CPU quotas of containers, in made-up cgroup folders of both versions, and in a real one where one can be made."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qpareto.objectives.latency.cgroup import Throttling, cpu_groups, quota_of_process, threads_within
from qpareto.objectives.latency.paired import DISTURBANCES
from qpareto.objectives.latency.telemetry import HostLoad
from qpareto.search.draft import machine
from qpareto.search.results.doubts import DOUBTS

ANY_LOAD = 1.0
HIERARCHY = Path("/sys/fs/cgroup/cpu")  # of version 1


def made_up(folder: Path, *, version: int, group: str = "/", root: str = "/") -> Path:
    """A process's folder, its hierarchy mounted at `folder/cpu`; the other hierarchies are there to be passed over."""
    proc, mounted = folder / "proc", folder / "cpu"
    proc.mkdir()
    mounted.mkdir()
    (proc / "cgroup").write_text(
        f"0::{group}\n" if version == 2 else f"9:memory:/elsewhere\n3:cpu,cpuacct:{group}\n0::/a/b\n"
    )
    tail = "cgroup2 cgroup2 rw" if version == 2 else "cgroup cgroup rw,cpu,cpuacct"
    others = f"30 23 0:28 / {folder} rw - tmpfs tmpfs rw\n" + (
        "" if version == 2 else f"31 30 0:29 / {folder}/memory rw shared:9 - cgroup cgroup rw,memory\n"
    )
    (proc / "mountinfo").write_text(f"{others}32 31 0:30 {root} {mounted} rw,nosuid shared:9 - {tail}\n")
    return proc


def limited(folder: Path, quota_us: int | str, *, period_us: int = 100_000, version: int = 2) -> None:
    """Give a group its quota, and counters at 0."""
    folder.mkdir(parents=True, exist_ok=True)
    if version == 2:
        (folder / "cpu.max").write_text(f"{quota_us} {period_us}\n")
    else:
        (folder / "cpu.cfs_quota_us").write_text(f"{quota_us}\n")
        (folder / "cpu.cfs_period_us").write_text(f"{period_us}\n")
    counted(folder, 0, 0)


def counted(folder: Path, periods: int, throttled: int) -> None:
    (folder / "cpu.stat").write_text(
        f"usage_usec 99\nnr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec 7\n"
    )


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("quota_us", "cores"), [(150_000, 1.5), (400_000, 4.0), (20_000, 0.2)])
def test_a_quota_is_told_in_cores(tmp_path: Path, version: int, quota_us: int, cores: float) -> None:
    proc = made_up(tmp_path, version=version)
    limited(tmp_path / "cpu", quota_us, version=version)
    assert quota_of_process(proc) == cores


@pytest.mark.parametrize(("version", "unlimited"), [(1, -1), (2, "max")])
def test_a_group_without_a_limit_has_no_quota(tmp_path: Path, version: int, unlimited: int | str) -> None:
    proc = made_up(tmp_path, version=version)
    limited(tmp_path / "cpu", unlimited, version=version)
    assert quota_of_process(proc) is None


@pytest.mark.parametrize("version", [1, 2])
def test_the_least_quota_of_the_groups_around_a_process_counts(tmp_path: Path, version: int) -> None:
    proc = made_up(tmp_path, version=version, group="/pod/container")
    limited(tmp_path / "cpu" / "pod", 200_000, version=version)
    limited(tmp_path / "cpu" / "pod" / "container", 300_000, version=version)
    assert quota_of_process(proc) == 2.0


def test_a_container_that_sees_only_its_own_group_finds_it_at_the_mount_point(tmp_path: Path) -> None:
    proc = made_up(tmp_path, version=1, group="/docker/abc", root="/docker/abc")
    limited(tmp_path / "cpu", 250_000, version=1)
    assert quota_of_process(proc) == 2.5


def test_a_group_outside_of_what_is_mounted_is_taken_for_the_one_that_is(tmp_path: Path) -> None:
    proc = made_up(tmp_path, version=2, group="/../../outside", root="/docker/abc")
    limited(tmp_path / "cpu", 100_000)
    assert quota_of_process(proc) == 1.0


def test_version_2_beside_a_version_1_that_controls_the_cpu_is_passed_over(tmp_path: Path) -> None:
    proc = made_up(tmp_path, version=1)
    limited(tmp_path / "cpu", 100_000, version=1)
    with (proc / "mountinfo").open("a") as file:
        file.write(f"40 31 0:38 / {tmp_path}/unified rw - cgroup2 cgroup2 rw\n")
    groups = cpu_groups(proc)
    assert groups is not None
    assert (groups.version, groups.quota()) == (1, 1.0)


def test_where_there_are_no_cgroups_there_is_no_quota_and_nothing_is_stopped(tmp_path: Path) -> None:
    assert cpu_groups(tmp_path) is None
    assert quota_of_process(tmp_path) is None
    _, seen = HostLoad(limit=ANY_LOAD, proc=tmp_path).observe(lambda: None)
    assert "cpu_throttled" not in seen.flags


@pytest.mark.parametrize("content", ["", "nonsense", "100000", "1 0"])
def test_what_cannot_be_read_is_no_quota(tmp_path: Path, content: str) -> None:
    proc = made_up(tmp_path, version=2)
    (tmp_path / "cpu" / "cpu.max").write_text(content)
    assert quota_of_process(proc) is None


@pytest.mark.parametrize(("quota", "threads"), [(None, 8), (3.9, 3), (1.2, 1), (4.0, 4), (0.5, 1), (64.0, 8)], ids=str)
def test_threads_are_the_quota_rounded_down_and_at_least_one(quota: float | None, threads: int) -> None:
    assert threads_within(quota, 8) == threads


def test_a_drafted_study_file_has_no_more_threads_than_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "quota_of_process", lambda: 1.9)
    assert machine._threads() == 1


def test_the_share_of_stopped_periods_is_told_and_other_groups_quotas_are_no_matter() -> None:
    before = Throttling(periods=100, throttled=3)
    assert Throttling(periods=140, throttled=13).share_since(before) == 0.25
    assert Throttling(periods=140, throttled=3).share_since(before) == 0.0
    assert Throttling(periods=100, throttled=4).share_since(before) == 1.0  # a period that has not ended


@pytest.mark.parametrize("version", [1, 2])
def test_work_that_a_quota_stopped_is_disturbed_and_flagged(tmp_path: Path, version: int) -> None:
    proc, group = made_up(tmp_path, version=version), tmp_path / "cpu"
    limited(group, 100_000, version=version)
    watch = HostLoad(limit=ANY_LOAD, proc=proc)
    result, seen = watch.observe(lambda: counted(group, 50, 10))
    assert result is None
    assert (seen.disturbance, seen.flags[-1]) == (0.2, "cpu_throttled")
    _, seen = watch.observe(lambda: counted(group, 90, 10))
    assert "cpu_throttled" not in seen.flags
    assert {"cpu_throttled"} <= DISTURBANCES & DOUBTS.keys()


def test_a_quota_that_neighbours_use_up_is_waited_for_no_longer_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc, group = made_up(tmp_path, version=2), tmp_path / "cpu"
    limited(group, 100_000)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        counted(group, len(slept), min(len(slept), 3))  # stopped in the first three windows

    monkeypatch.setattr("time.sleep", sleep)
    assert HostLoad(limit=ANY_LOAD, max_wait_s=60, proc=proc).wait_until_quiet()
    assert len(slept) == 4
    counted(group, 0, 0)
    slept.clear()
    assert not HostLoad(limit=ANY_LOAD, max_wait_s=0, proc=proc).wait_until_quiet()


@pytest.fixture
def half_a_core() -> Iterator[Path]:
    """A real group with a quota of half a core."""
    group = HIERARCHY / f"qpareto-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cpu.cfs_quota_us").write_text("50000")
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no cgroup of version 1 can be made here: {error}")
    yield group
    for _ in range(50):  # until the last of its processes is gone
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.1)


IN_A_GROUP = """
import os, subprocess, sys, time
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
from qpareto.objectives.latency.cgroup import cpu_groups, quota_of_process
from qpareto.objectives.latency.telemetry import HostLoad
def stopped():
    return cpu_groups().throttling().throttled
def spin_until_stopped():
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    before, end = stopped(), time.monotonic() + 60
    while stopped() == before and time.monotonic() < end:
        pass
    for each in spinning:
        each.kill()
        each.wait()
watch = HostLoad(limit=1.0)
print(quota_of_process())
print(*watch.observe(spin_until_stopped)[1].flags)
time.sleep(0.3)
print(*watch.observe(lambda: time.sleep(0.5))[1].flags)
"""


def test_a_process_in_a_real_group_knows_its_quota_and_when_that_stopped_it(half_a_core: Path) -> None:
    told = subprocess.check_output([sys.executable, "-c", IN_A_GROUP, str(half_a_core)], text=True).splitlines()
    assert told == ["0.5", "cpu_throttled", ""]
