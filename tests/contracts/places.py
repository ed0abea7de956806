"""The contract of places where workers run, as a test suite: a subclass a place, which says how it is entered."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

import works
from qpareto.search.fleet.place import Ending, Place

PATIENCE_S = 60.0


def ending_of(place: Place, worker: int = 0) -> Ending:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := place.ending(worker):
            return found
        time.sleep(0.02)
    raise TimeoutError(f"worker {worker} has not ended")


def noted(path: Path) -> Any:
    """What a worker has noted, as soon as it has."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if path.exists():
            return json.loads(path.read_text())
        time.sleep(0.02)
    raise TimeoutError(f"no worker has written {path.name}")


def is_gone(pid: int) -> bool:
    """Within a moment."""
    for _ in range(250):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


class PlaceContract:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Place]:
        """With room for two workers."""
        raise NotImplementedError

    def test_work_that_returns_is_done_in_a_process_of_its_own(self, place: Place, tmp_path: Path) -> None:
        place.start(0, partial(works.note, tmp_path / "note"))
        assert ending_of(place).is_done
        assert noted(tmp_path / "note")["pid"] != os.getpid()

    def test_a_worker_that_works_has_no_ending(self, place: Place, tmp_path: Path) -> None:
        place.start(0, partial(works.note_and_wait, tmp_path / "note"))
        noted(tmp_path / "note")
        assert place.ending(0) is None

    def test_a_refusal_is_told_with_its_sentence(self, place: Place) -> None:
        place.start(0, partial(works.refuse, "The study is another one: take it."))
        found = ending_of(place)
        assert found.is_refusal
        assert str(found) == "ended: The study is another one: take it."

    def test_a_bug_is_no_refusal_and_its_last_line_is_told(self, place: Place) -> None:
        place.start(0, works.slip)
        assert ending_of(place) == Ending(status=1, last_words="ZeroDivisionError: by zero")

    def test_a_worker_that_is_killed_is_told_with_the_signal(self, place: Place, tmp_path: Path) -> None:
        place.start(0, partial(works.fall, tmp_path / "marks"))
        assert str(ending_of(place)) == "was killed by SIGKILL"

    def test_one_that_has_ended_can_be_started_again(self, place: Place, tmp_path: Path) -> None:
        again = partial(works.fall_at_first, tmp_path / "marks", 1)
        place.start(0, again)
        assert ending_of(place).status == -9
        place.start(0, again)
        assert ending_of(place).is_done

    def test_to_stop_is_to_ask(self, place: Place, tmp_path: Path) -> None:
        place.start(0, partial(works.note_and_wait, tmp_path / "note"))
        noted(tmp_path / "note")
        place.stop(0)
        assert ending_of(place).status == 143

    def test_to_kill_takes_what_the_worker_has_started(self, place: Place, tmp_path: Path) -> None:
        for worker in (0, 1):
            place.start(worker, partial(works.note_and_wait, tmp_path / f"note{worker}"))
        pids = [noted(tmp_path / f"note{worker}")["pid"] for worker in (0, 1)]
        place.kill(0)
        assert is_gone(pids[0])
        assert is_gone(int((tmp_path / "note0.child").read_text()))
        assert ending_of(place).is_done is False
        assert place.ending(1) is None

    def test_leaving_the_place_kills_who_is_left(self, place: Place, tmp_path: Path) -> None:
        place.start(0, partial(works.note_and_wait, tmp_path / "note"))
        pid = noted(tmp_path / "note")["pid"]
        place.close()
        assert is_gone(pid)
        place.close()

    def test_the_log_is_where_it_is_said_to_be(self, place: Place, tmp_path: Path) -> None:
        place.start(0, partial(works.refuse, "No."))
        ending_of(place)
        (log,) = tmp_path.glob("logs/*")
        assert log.read_text() == "what came before\nNo.\n"
        assert place.logs().startswith(str(log).replace("-0.log", "-*.log"))
