"""Foreign load is seen where it is real, and said to be unknown where nothing can be seen."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qpareto.objectives.latency.telemetry import CpuTimes, HostLoad, cpu_times, foreign_share

COUNTERS = cpu_times(Path("/proc/stat"))
needs_counters = pytest.mark.skipif(COUNTERS is None or COUNTERS.busy_s == 0, reason="needs Linux's CPU counters")


def _spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.fixture
def busy_neighbour() -> Iterator[None]:
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    time.sleep(0.2)
    yield
    neighbour.kill()
    neighbour.wait()


@needs_counters
@pytest.mark.usefixtures("busy_neighbour")
def test_a_neighbours_work_is_seen() -> None:
    _, share = HostLoad().watched(lambda: time.sleep(1.0))
    assert share is not None
    assert share > 0.7 / (os.cpu_count() or 1)


@needs_counters
@pytest.mark.usefixtures("busy_neighbour")
def test_quiet_is_waited_for_no_longer_than_allowed() -> None:
    start = time.monotonic()
    assert not HostLoad(limit=0.3 / (os.cpu_count() or 1), max_wait_s=0.5).wait_until_quiet()
    assert 0.5 <= time.monotonic() - start < 60


@needs_counters
def test_our_own_work_is_not_foreign() -> None:
    watch = HostLoad()
    # Others may be at work here, but not suddenly so whenever this process is: compare with its rest.
    more = []
    for _ in range(6):
        working, resting = (watch.watched(work)[1] or 0.0 for work in (lambda: _spin(0.3), lambda: time.sleep(0.3)))
        more.append(working - resting)
    assert min(more) <= 0.5 / (os.cpu_count() or 1)


def test_work_gives_its_result() -> None:
    assert HostLoad().watched(lambda: "result")[0] == "result"


@pytest.mark.parametrize("content", [None, "", "no counters\n", "cpu  a b c\n"], ids=str)
def test_without_counters_the_load_is_unknown_and_nobody_waits(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "stat"
    if content is not None:
        path.write_text(content)
    watch = HostLoad(proc_stat=path, max_wait_s=60)
    assert watch.watched(lambda: None) == (None, None)
    assert watch.wait_until_quiet()


def test_the_counters_are_summed_without_idle_time_and_guests(tmp_path: Path) -> None:
    path = tmp_path / "stat"
    path.write_text("cpu  100 20 30 5000 600 7 8 90 40 5\ncpu0 0 0 0 0\ncpu1 0 0 0 0\nintr 1 2\n")
    times = cpu_times(path)
    assert times is not None
    assert times.busy_s == pytest.approx((100 + 20 + 30 + 7 + 8 + 90) / os.sysconf("SC_CLK_TCK"))
    assert times.processors == 2


BEFORE = CpuTimes(busy_s=100.0, own_s=10.0, clock_s=1000.0, processors=4)


@pytest.mark.parametrize(
    ("busy_s", "own_s", "share"),
    [
        (2.0, 2.0, 0.0),
        (6.0, 2.0, 0.5),
        (1.9, 2.0, 0.0),  # ticks lag behind
        (99.0, 2.0, 1.0),
        (0.0, 0.0, 0.0),
        (0.0, 2.0, None),  # counters stand still
    ],
)
def test_the_share_is_of_all_processors(busy_s: float, own_s: float, share: float | None) -> None:
    after = replace(BEFORE, busy_s=100.0 + busy_s, own_s=10.0 + own_s, clock_s=1002.0)
    assert foreign_share(BEFORE, after) == share
