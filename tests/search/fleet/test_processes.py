"""Workers as processes of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import works
from contracts.places import PlaceContract, ending_of, is_gone, noted
from qpareto.errors import DiskError
from qpareto.search.fleet.pins import Pin
from qpareto.search.fleet.place import Place
from qpareto.search.fleet.processes import Processes

LAUNCHER = """
import sys; sys.path[:] = {path!r}
from functools import partial
from pathlib import Path
import time, works
from qpareto.search.fleet.pins import Pin
from qpareto.search.fleet.processes import Processes
place = Processes(pins=[Pin()], log_stem=Path({stem!r}))
place.start(0, partial(works.note_and_wait, Path({note!r})))
time.sleep(600)
"""


class TestProcesses(PlaceContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Place]:
        with Processes(pins=[Pin()] * 2, log_stem=tmp_path / "logs" / "worker") as place:
            yield place


def test_a_worker_sees_its_gpu_and_its_cores_alone(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    pin = Pin(env={"CUDA_VISIBLE_DEVICES": "GPU-7"}, cores=frozenset({core}))
    with Processes(pins=[pin], log_stem=tmp_path / "worker") as place:
        place.start(0, partial(works.note, tmp_path / "note"))
        ending_of(place)
    found = noted(tmp_path / "note")
    assert (found["gpu"], found["cores"]) == ("GPU-7", [core])


def test_a_log_goes_on_behind_what_was_logged_before(tmp_path: Path) -> None:
    with Processes(pins=[Pin()], log_stem=tmp_path / "worker") as place:
        for sentence in ("First.", "Second."):
            place.start(0, partial(works.refuse, sentence))
            assert ending_of(place).last_words == sentence
    assert (tmp_path / "worker-0.log").read_text() == "what came before\nFirst.\nwhat came before\nSecond.\n"


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Processes(pins=[Pin()], log_stem=tmp_path / "file" / "worker") as place, pytest.raises(DiskError):
        place.start(0, works.slip)


def test_a_worker_whose_launcher_was_killed_is_asked_to_stop(tmp_path: Path) -> None:
    code = LAUNCHER.format(path=sys.path, stem=str(tmp_path / "worker"), note=str(tmp_path / "note"))
    with subprocess.Popen([sys.executable, "-c", code]) as launcher:
        pid = noted(tmp_path / "note")["pid"]
        launcher.send_signal(signal.SIGKILL)
    assert is_gone(pid)
    assert is_gone(int((tmp_path / "note.child").read_text())), "by SIGTERM, not by SIGKILL: it cleared up"
