"""Copies of real engines, timed in processes of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import copies
from command_line import printed
from shapes_study import shapes_study


def test_each_process_of_each_engine_has_a_row(shapes: Path, tmp_path: Path) -> None:
    study = shapes_study(shapes, tmp_path, space={"calibration": {"methods": ["max"], "sizes": [4]}})
    words = ("--copies", "2", "--processes", "2", "--rounds", "3")
    told = [line.split(" | ") for line in printed(copies.main, study, *words).splitlines() if " ms |" not in line]
    found = [cells for cells in told if len(cells) == 8 and cells[1] != "---:"]
    assert [(cells[0], cells[1]) for cells in found] == [
        (name, process) for name in ("| reference", "| all INT8, max:4") for process in ("1", "2")
    ]
    assert all(0 < float(cells[3]) <= float(cells[4]) <= float(cells[5]) for cells in found)
    assert [cells[7] == "- |" for cells in found] == [True, False, True, False]


def test_a_row_tells_how_far_copies_lie_apart_and_how_far_each_is_off_its_like_of_the_first_process() -> None:
    first, second = copies.rows("an engine", [np.array([1.0, 1.01]), np.array([1.02, 1.03])])
    assert first == "| an engine | 1 | 2 | 1.0000 | 1.0050 | 1.0100 | 0.70% | - |"
    assert second == "| an engine | 2 | 2 | 1.0200 | 1.0250 | 1.0300 | 0.69% | 1.97% |"
