"""One process at a time holds a device alone; many may share it; nobody is kept out for ever; builds take turns."""

from __future__ import annotations

import errno
import fcntl
import os
import queue
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lock_turns import had
from qpareto.errors import DiskError
from qpareto.objectives.isolation.lock import build_lock, device_lock, kernel_lock

HOLDER = (
    "import sys; sys.path[:] = {path!r}\n"
    "from qpareto.objectives.isolation.lock import device_lock\n"
    "with device_lock({device!r}, exclusive={exclusive}):\n"
    "    print('holds', flush=True); sys.stdin.read()\n"
)


@pytest.fixture(autouse=True)
def lock_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QPARETO_LOCK_DIR", str(tmp_path / "locks"))
    return tmp_path / "locks"


@contextmanager
def held_by_another(device: str, *, exclusive: bool, within: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """Args: within: a command that runs another."""
    script = HOLDER.format(path=sys.path, device=device, exclusive=exclusive)
    with subprocess.Popen(
        [*within, sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "holds\n"
        try:
            yield other
        finally:
            other.kill()


@contextmanager
def held_alone_next(device: str) -> Iterator[threading.Event]:
    """Wait for a device in a thread, behind whoever waits for it already, and hold it, once it is had, to the end."""
    had_it, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with device_lock(device, exclusive=True):
            had_it.set()
            let_go.wait(60)

    threading.Thread(target=hold, daemon=True).start()
    try:
        yield had_it
    finally:
        let_go.set()


def _try(device: str, *, exclusive: bool) -> threading.Event:
    return had(device_lock(device, exclusive=exclusive))


@pytest.mark.parametrize(("theirs", "ours"), [(True, True), (True, False), (False, True)])
def test_who_holds_a_device_alone_holds_it_alone(theirs: bool, ours: bool) -> None:
    with held_by_another("CPU", exclusive=theirs):
        lock = _try("CPU", exclusive=ours)
        assert not lock.wait(0.3)
    assert lock.wait(60)  # the kernel frees what a killed process held


def test_a_container_that_shares_the_folder_is_kept_out_too(lock_dir: Path, tmp_path: Path) -> None:
    """Another host name, other process ids, another root of mounts, in which the folder lies at another path."""
    unshare = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False).returncode != 0:
        pytest.skip("needs the right to make namespaces: root on Linux")
    lock_dir.mkdir()
    elsewhere = tmp_path / "mounted"
    elsewhere.mkdir()
    enter = f"mount --bind {lock_dir} {elsewhere} && hostname other && QPARETO_LOCK_DIR={elsewhere} exec "
    with held_by_another("CPU", exclusive=True, within=(*unshare, "sh", "-c", enter + '"$@"', "sh")) as other:
        lock = _try("CPU", exclusive=True)
        assert not lock.wait(0.3)
        other.communicate("")
        assert lock.wait(60)


def test_a_folder_without_locks_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here(lock: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none_here)  # as on NFS without a lock daemon, which no test can mount
    said = r"No locks available\): let QPARETO_LOCK_DIR name a folder on a disk of this machine"
    with pytest.raises(DiskError, match=said), device_lock("CPU", exclusive=True):
        pass


def test_shared_holders_hold_a_device_together() -> None:
    with held_by_another("CPU", exclusive=False), device_lock("CPU", exclusive=False):
        assert _try("CPU", exclusive=False).wait(60)


def test_other_devices_are_free() -> None:
    with held_by_another("GPU 0", exclusive=True), device_lock("GPU 1", exclusive=True):
        pass


def test_who_waits_to_be_alone_is_not_kept_out_by_newcomers() -> None:
    with held_by_another("CPU", exclusive=False):
        alone = _try("CPU", exclusive=True)
        assert not alone.wait(0.3)
        newcomer = _try("CPU", exclusive=False)
        assert not newcomer.wait(0.3)
    assert alone.wait(60)
    assert newcomer.wait(60)


def test_an_error_frees_the_device() -> None:
    with pytest.raises(KeyError), device_lock("CPU", exclusive=True):
        raise KeyError
    assert _try("CPU", exclusive=True).wait(60)


def test_a_child_process_does_not_inherit_the_lock() -> None:
    with device_lock("CPU", exclusive=True):
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    assert _try("CPU", exclusive=True).wait(60)
    child.kill()
    child.communicate()


def test_waiting_says_what_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with held_by_another("AMD EPYC", exclusive=True):
        lock = _try("AMD EPYC", exclusive=True)
        for _ in range(3000):
            if caplog.messages:
                break
            time.sleep(0.02)
        assert caplog.messages == ["Waiting for another process that uses AMD EPYC."]
    assert lock.wait(60)


def test_every_user_can_lock_here_whatever_the_umask(lock_dir: Path) -> None:
    before = os.umask(0o077)
    try:
        with device_lock("Intel(R) Xeon(R) @ 2.20GHz", exclusive=True):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(lock_dir.stat().st_mode) == 0o1777
    assert {file.name for file in lock_dir.iterdir()} == {"intel-r-xeon-r-2-20ghz.door", "intel-r-xeon-r-2-20ghz.room"}
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o666 for file in lock_dir.iterdir())


def test_a_folder_that_was_there_keeps_its_permissions(lock_dir: Path) -> None:
    lock_dir.mkdir(mode=0o700)
    with device_lock("CPU", exclusive=True):
        pass
    assert stat.S_IMODE(lock_dir.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_a_disk_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("QPARETO_LOCK_DIR", str(tmp_path / "file" / "locks"))
    with pytest.raises(DiskError), device_lock("CPU", exclusive=True):
        pass


def test_builds_go_on_side_by_side_and_beside_evaluations() -> None:
    with held_by_another("GPU 0", exclusive=False), build_lock("GPU 0"):
        assert had(build_lock("GPU 0")).wait(60)


def test_an_engine_is_timed_beside_no_build_and_builds_wait_for_it() -> None:
    with build_lock("GPU 0"):
        timing = _try("GPU 0", exclusive=True)
        assert not timing.wait(0.3)
    assert timing.wait(60)
    with device_lock("GPU 0", exclusive=True):
        build = had(build_lock("GPU 0"))
        assert not build.wait(0.3)
    assert build.wait(60)


def test_a_build_that_gives_way_stops_until_the_engines_that_wait_are_timed() -> None:
    steps = queue.Queue[str]()

    def build(go_on: threading.Event) -> None:
        with build_lock("GPU 0") as give_way:
            steps.put("begun")
            go_on.wait(60)
            give_way()
            steps.put("gone on")

    go_on = threading.Event()
    for _ in range(2):
        threading.Thread(target=build, args=(go_on,), daemon=True).start()
        assert steps.get(timeout=60) == "begun"
    timed = _try("GPU 0", exclusive=True)
    assert not timed.wait(0.3)
    with held_alone_next("GPU 0") as held:
        assert not held.wait(0.3)
        go_on.set()
        assert held.wait(60)
        assert timed.is_set()  # it waited longer
        with pytest.raises(queue.Empty):
            steps.get(timeout=0.3)
    assert [steps.get(timeout=60) for _ in range(2)] == ["gone on", "gone on"]


def test_a_build_gives_way_to_nobody_but_who_waits_to_be_alone() -> None:
    with build_lock("GPU 0") as give_way, held_by_another("GPU 0", exclusive=False):
        give_way()
        assert not _try("GPU 0", exclusive=True).wait(0.3)  # it still holds the device


def test_a_build_times_kernels_beside_no_evaluation_and_no_other_builds_timing() -> None:
    with build_lock("GPU 0"), kernel_lock("GPU 0"):
        waiting = [_try("GPU 0", exclusive=False), had(kernel_lock("GPU 0"))]
        assert not any(lock.wait(0.3) for lock in waiting)
    assert all(lock.wait(60) for lock in waiting)


def test_an_evaluation_that_runs_ends_before_kernels_are_timed() -> None:
    with build_lock("GPU 0"):
        with held_by_another("GPU 0", exclusive=False):
            lock = had(kernel_lock("GPU 0"))
            assert not lock.wait(0.3)
        assert lock.wait(60)


def test_an_evaluation_that_waits_for_a_builds_kernels_keeps_no_timing_waiting_for_ever() -> None:
    with build_lock("GPU 0"), kernel_lock("GPU 0"):
        evaluation = _try("GPU 0", exclusive=False)
        timing = _try("GPU 0", exclusive=True)
        assert not evaluation.wait(0.3)
        assert not timing.wait(0.3)
    assert evaluation.wait(60)
    assert timing.wait(60)
