"""Builds and timings of one mask again and again: in which order, how recorded, how resumed, with real engines."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import rebuilds
from command_line import printed
from rebuild_jobs import FLOAT, MASK, REFERENCE, Build, Progress, Timing, tasks
from rebuild_record import BUILD, TIMING, Line, Record, half_width, table
from shapes_study import shapes_study

ROOT = Path(__file__).resolve().parents[2]
PLAN = tasks(repeats=2, again=3)
KEYS = {task: task.title for task in PLAN if isinstance(task, Build)}


@pytest.fixture(scope="module")
def record(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run with OpenVINO leaves: one build of each case, two timings of one engine."""
    folder = tmp_path_factory.mktemp("rebuilds")
    study = shapes_study(shapes, folder, latency={"max_seconds": 0.2, "max_wait_s": 0})
    assert "| mask, no cache | 1 |" in _rebuilds(study, folder / "record.jsonl")
    return folder / "record.jsonl"


def _rebuilds(study: Path, record: Path) -> str:
    """The table that a run prints; it ends when nothing is left to be done."""
    words = ("--record", record, "--repeats", "1", "--again", "2", "--calibration", "max:4", "--seconds", "3600")
    return printed(rebuilds.main, study, *words)


def test_each_case_is_built_and_timed_once(record: Path) -> None:
    lines = Record(record).lines()
    cases = {task.case for task in tasks(repeats=1, again=2) if isinstance(task, Build)}
    assert len(cases) == 8
    assert sorted(line["case"] for line in lines if line["what"] == BUILD) == sorted(cases)
    assert sorted(line["case"] for line in lines if line["what"] == TIMING) == sorted([*cases, "again"])
    assert all(line["seconds"] > 0.05 for line in lines)
    float_ones = [line["ratio"] for line in lines if line["what"] == TIMING and line["case"].startswith("float")]
    assert all(0.5 < ratio < 2 for ratio in float_ones)


def test_a_second_run_does_only_what_the_record_lacks(record: Path) -> None:
    study, whole = record.parent / "study.yaml", record.read_text().splitlines(keepends=True)
    lost = [line for line in whole if json.loads(line)["case"] == "mask, no cache, beside a build"]
    assert len(lost) == 2
    record.write_text("".join(line for line in whole if line not in lost) + lost[0][:40])  # its last line torn
    _rebuilds(study, record)
    again = Record(record).lines()
    assert len(again) == len(whole)
    kept = next(line for line in again if line["what"] == BUILD and line["case"] == "mask, no cache, beside a build")
    assert kept["seconds"] == json.loads(lost[0])["seconds"]  # the engine was there: it was not built once more


def test_a_run_without_time_does_nothing(record: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu" / "rebuilds.py"), str(record.parent / "study.yaml")]
    words = ["--record", str(tmp_path / "none.jsonl"), "--calibration", "max:4", "--seconds", "0"]
    subprocess.run([*command, *words], check=True, capture_output=True)
    assert not (tmp_path / "none.jsonl").exists()


def test_the_first_builds_allow_the_first_ratio() -> None:
    assert PLAN[:4] == [REFERENCE, Timing(REFERENCE), Build(MASK), Timing(Build(MASK))]
    assert len(set(PLAN)) == len(PLAN)


def _progress(lines: list[Line], here: set[Build]) -> Progress:
    return Progress(PLAN, lines, KEYS, frozenset(here))


def _line(task: Build | Timing, **changes: object) -> Line:
    build = task.build if isinstance(task, Timing) else task
    what = TIMING if isinstance(task, Timing) else BUILD
    told = {"what": what, "case": task.case, "number": task.number, "engine": KEYS[build], "seconds": 30.0}
    return told | changes


def test_nothing_is_begun_before_what_it_needs_is_here() -> None:
    progress = _progress([], set())
    ready = [task for task in progress.open() if progress.is_ready(task)]
    assert all(isinstance(task, Build) and not task.cached for task in ready)
    later = replace(progress, here=frozenset({REFERENCE, Build(MASK)}))
    assert later.is_ready(Timing(Build(MASK)))
    assert later.is_ready(Build(MASK, 2, cached=True))
    assert not later.is_ready(Timing(Build(MASK, 2)))


def test_on_another_machine_an_engine_is_built_again_only_if_something_waits_for_it() -> None:
    everything = [_line(task) for task in PLAN]
    assert _progress(everything, set()).open() == []
    lost = Timing(Build(MASK, 2))
    rest = [line for task, line in zip(PLAN, everything, strict=True) if task != lost]
    assert _progress(rest, set()).open() == [REFERENCE, Build(MASK, 2), lost]
    unbuilt = Build(FLOAT, 2, cached=True)
    rest = [_line(task) for task in PLAN if unbuilt not in {task, getattr(task, "build", None)}]
    assert _progress(rest, set()).open() == [REFERENCE, unbuilt, Timing(unbuilt)]


def test_another_mask_shares_no_result() -> None:
    foreign = [_line(task, engine="of another mask") for task in PLAN]
    assert _progress(foreign, set()).open() == PLAN


def test_the_time_of_a_case_is_the_longest_that_it_took() -> None:
    progress = _progress([_line(Build(MASK)), _line(Build(MASK, 2), seconds=50.0), _line(Timing(Build(MASK)))], set())
    assert progress.expected_s(Build(MASK, 3)) == 50
    assert progress.expected_s(Timing(Build(MASK))) == 30
    assert progress.expected_s(Build(MASK, cached=True)) == 0


def test_a_line_after_a_torn_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "record.jsonl"
    Record(path).add({"what": BUILD, "case": "a"})
    path.write_text(path.read_text() + '{"what": "bui')
    Record(path).add({"what": BUILD, "case": "b"})
    assert [line["case"] for line in Record(path).lines()] == ["a", "b"]


def test_the_table_tells_medians_spreads_and_doubts() -> None:
    builds = [_line(Build(MASK, i), seconds=float(60 + i), at="2026-01-01T00:00:00", device="A GPU") for i in (1, 2)]
    quiet = {"flags": [], "reference": "one"}
    timings = [_line(Timing(Build(MASK, i)), ratio=0.7 + i / 100, **quiet) for i in (1, 2)]
    timings += [_line(Timing(Build(MASK), i), ratio=0.71, flags=["throttled"], reference="two") for i in (2, 3)]
    told = table([*builds, *timings, {"what": "no kernel", "nodes": ["/pe/Conv"]}])
    assert "device A GPU; 2026-01-01" in told
    assert "| mask, no cache | 2 | 61.5 | 61.0 | 62.0 | 2 | 0.7150 | 0.7100 | 0.7200 |" in told
    assert "Half-width of the ratio over 2 rebuilds of the mask: 0.66%" in told
    assert "Half-width of the ratio over 3 fresh processes of one engine: 0.00%" in told
    assert "2 of 4 timings were flagged: throttled." in told
    assert "Timed against 2 builds of the reference" in told
    assert "Float, for want of an INT8 kernel: /pe/Conv." in told


def test_a_half_width_is_a_part_of_the_median() -> None:
    assert half_width([0.5] * 10) == 0
    assert half_width([0.4, 0.5, 0.6]) == pytest.approx(0.19)
