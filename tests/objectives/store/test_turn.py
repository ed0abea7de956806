from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qpareto.objectives.store.turn import claim, turn

HOLDER = """
import sys; from pathlib import Path; from qpareto.objectives.store.turn import turn
with turn(Path(sys.argv[1])):
    print("holds", flush=True); sys.stdin.read()
"""


@contextmanager
def held_by_another(path: Path) -> Iterator[subprocess.Popen[str]]:
    command: list[str | Path] = [sys.executable, "-c", HOLDER, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "holds\n"
        try:
            yield other
        finally:
            other.kill()


def taken(path: Path, *, silent_s: float = 60) -> threading.Event:
    """Set once it is our turn, in a thread of its own."""
    had = threading.Event()

    def take() -> None:
        with turn(path, silent_s=silent_s):
            had.set()

    threading.Thread(target=take, daemon=True).start()
    return had


def test_who_comes_second_waits_and_says_for_what(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with held_by_another(tmp_path / ".key.lock") as other:
        had = taken(tmp_path / ".key.lock")
        assert not had.wait(0.3)
        other.communicate("")
        assert had.wait(60)
    assert caplog.messages == [f"Waiting for another process that makes {tmp_path.name}/key."]


def test_what_a_killed_process_held_is_free(tmp_path: Path) -> None:
    with held_by_another(tmp_path / ".key.lock") as other:
        had = taken(tmp_path / ".key.lock")
        other.kill()
        assert had.wait(60)


def test_a_claim_is_had_at_once_or_not_at_all(tmp_path: Path) -> None:
    with held_by_another(tmp_path / ".key.lock") as other:
        with claim(tmp_path / ".key.lock") as is_ours:
            assert not is_ours
        assert (tmp_path / ".key.lock").is_file()
        other.kill()
        other.wait()
        with claim(tmp_path / ".key.lock") as is_ours, claim(tmp_path / ".key.lock") as is_ours_twice:
            assert is_ours
            assert not is_ours_twice
    assert list(tmp_path.iterdir()) == []
    with claim(tmp_path / "absent" / ".key.lock") as is_ours:
        assert is_ours


def test_nothing_stays_behind(tmp_path: Path) -> None:
    with turn(tmp_path / ".key.lock"):
        assert (tmp_path / ".key.lock").is_file()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_gives_no_sign_is_waited_for_no_longer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with held_by_another(tmp_path / ".key.lock") as other:
        os.kill(other.pid, signal.SIGSTOP)
        assert taken(tmp_path / ".key.lock", silent_s=0.5).wait(60)
    assert "has given no sign for 0.5 s: it is made here too" in caplog.text


def test_a_process_that_gives_signs_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / ".key.lock"
    with held_by_another(path) as other:
        had = taken(path, silent_s=2)
        for _ in range(30):
            time.sleep(0.1)
            os.utime(path)
        assert not had.is_set()
        other.kill()
        assert had.wait(60)


def test_three_take_turns_though_each_removes_the_file(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with turn(tmp_path / ".key.lock"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_where_no_lock_can_be_had_the_work_is_done_all_the_same(tmp_path: Path) -> None:
    with turn(tmp_path / "absent" / ".key.lock"):
        pass
    (tmp_path / ".key.lock").mkdir()
    with turn(tmp_path / ".key.lock"):
        pass
