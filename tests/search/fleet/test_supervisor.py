"""Real workers, which die and are started again, are given up, or stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import works
from contracts.places import is_gone, noted
from qpareto.errors import QParetoError
from qpareto.search.fleet.pins import Pin
from qpareto.search.fleet.processes import Processes
from qpareto.search.fleet.supervisor import Command, Patience, Supervisor

AT_ONCE = Patience(deaths=3, first_s=0.01)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Processes]:
    with Processes(pins=[Pin()] * 3, log_stem=tmp_path / "logs" / "worker") as place:
        yield place


def test_a_worker_that_dies_is_started_again_and_it_is_said(
    place: Processes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work = partial(works.fall_at_first, tmp_path / "marks", 2)
    assert Supervisor(place=place, workers=1, work=lambda: work, patience=AT_ONCE).run() == "go on"
    assert [record.message for record in caplog.records] == [
        "Worker 0 was killed by SIGKILL; it is started again in 0.01 s.",
        "Worker 0 was killed by SIGKILL; it is started again in 0.02 s.",
    ]


def test_one_that_always_dies_is_given_up_and_the_others_go_on(
    place: Processes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = iter([partial(works.fall, tmp_path / "marks"), partial(works.note, tmp_path / "note")])
    faults = partial(works.fall, tmp_path / "marks")
    found = Supervisor(place=place, workers=2, work=lambda: next(given, faults), patience=AT_ONCE)
    assert found.run() == "go on"
    assert (tmp_path / "marks").read_text() == "xxx"
    assert caplog.records[-1].message == "Worker 0 was killed by SIGKILL; after 3 times in a row it is given up."


def test_when_all_are_given_up_the_last_refusal_is_the_sentence(place: Processes) -> None:
    work = partial(works.refuse, "The study is another one: take it.")
    with pytest.raises(QParetoError, match=r"^The study is another one: take it\.$"):
        Supervisor(place=place, workers=2, work=lambda: work, patience=AT_ONCE).run()


def test_when_all_have_died_the_log_is_named(place: Processes, tmp_path: Path) -> None:
    work = partial(works.fall, tmp_path / "marks")
    with pytest.raises(QParetoError, match=r"^Worker 0 was killed by SIGKILL\. Its log: .*worker-\*\.log$"):
        Supervisor(place=place, workers=1, work=lambda: work, patience=AT_ONCE).run()


def test_pauses_double_and_have_an_end() -> None:
    assert [Patience(first_s=1, longest_s=10).pause_s(deaths) for deaths in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_one_that_has_lived_long_begins_a_new_row(place: Processes, tmp_path: Path) -> None:
    work = partial(works.fall_at_first, tmp_path / "marks", 4)
    patience = Patience(deaths=2, first_s=0.01, healthy_s=0.0)
    assert Supervisor(place=place, workers=1, work=lambda: work, patience=patience).run() == "go on"


@pytest.mark.parametrize("command", ["stop", "kill"])
def test_a_command_ends_all_and_none_is_started_again(
    place: Processes, tmp_path: Path, caplog: pytest.LogCaptureFixture, command: Command
) -> None:
    caplog.set_level(logging.INFO)
    notes = [tmp_path / f"note{i}" for i in range(2)]
    given = iter([*(partial(works.note_and_wait, note) for note in notes), partial(works.fall, tmp_path / "marks")])
    fleet = Supervisor(
        place=place,
        workers=3,
        work=lambda: next(given),
        command=lambda: command if all(note.exists() for note in notes) and (tmp_path / "marks").exists() else "go on",
        patience=Patience(first_s=600),
    )
    start = time.monotonic()
    assert fleet.run() == command
    assert time.monotonic() - start < 60
    assert all(is_gone(noted(note)["pid"]) for note in notes)
    assert sum("started again" in record.message for record in caplog.records) <= 1
