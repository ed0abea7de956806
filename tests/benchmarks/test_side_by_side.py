"""Builds one after the other and at once, in turns and without, with real engines; what a second run does."""

from __future__ import annotations

from pathlib import Path

import side_by_side
from command_line import printed
from rebuild_record import Line, Record
from shapes_study import shapes_study
from side_by_side import ALONE, AT_ONCE, IN_TURNS, rounds, table


def _printed(study: Path, record: Path) -> str:
    words = ("--record", record, "--at-once", "2", "--masks", "1", "--calibration", "max:4")
    return printed(side_by_side.main, study, *words)


def test_one_mask_is_built_in_every_way_and_a_run_that_was_cut_off_goes_on(shapes: Path, tmp_path: Path) -> None:
    study = shapes_study(shapes, tmp_path, latency={"max_seconds": 0.2, "max_wait_s": 0})
    record = Record(tmp_path / "record.jsonl")
    told = _printed(study, record.path)
    lines = record.of("round")
    assert [(line["seed"], line["way"]) for line in lines] == list(rounds(1))
    assert all(len(line["seconds"]) == len(line["timings"]) == 2 for line in lines)
    assert all(0 < seconds <= line["wall_s"] for line in lines for seconds in line["seconds"])
    assert all(0.2 < timing["ratio"] < 2 for line in lines for timing in line["timings"])
    assert told.count("\n| 1 | ") == 3

    whole = record.path.read_text().splitlines(keepends=True)
    record.path.write_text("".join(whole[:2]))
    _printed(study, record.path)
    again = record.of("round")
    assert again[:2] == lines[:2]
    assert [line["way"] for line in again] == [ALONE, IN_TURNS, AT_ONCE]


def test_whole_masks_are_compared_before_the_next() -> None:
    assert [seed for seed, _ in rounds(2)] == [1, 1, 1, 2, 2, 2]


def test_the_table_tells_seconds_ratios_and_what_was_flagged() -> None:
    timings = [{"ratio": ratio, "flags": flags} for ratio, flags in ((0.9, []), (0.91, ["throttled"]), (0.92, []))]
    line: Line = {"what": "round", "seed": 3, "way": IN_TURNS, "seconds": [10.0, 12.0, 14.0], "wall_s": 14.5}
    line |= {"device": "NVIDIA H200", "batch": 8, "at": "2026-11-30T10:00:00+00:00"}
    told = table([line | {"timings": timings}])
    assert told.splitlines()[0] == "device NVIDIA H200; batch 8; 2026-11-30"
    row = "| 3 | at once, in turns, 1 flagged | 3 | 12.0 | 14.5 | 0.9100 | 0.9000 | 0.9200 | 1.04% |"
    assert told.splitlines()[-1] == row
