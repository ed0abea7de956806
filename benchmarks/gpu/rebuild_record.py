"""What `rebuilds.py` leaves: a line for each build and each timing, and the table that is printed from them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

Line = dict[str, Any]

BUILD, TIMING, NO_KERNEL, FAILED = "build", "timing", "no kernel", "failed"  # what a line tells of
AGAIN = "again"  # the case of timings of one engine, each in a process of its own


@dataclass(frozen=True)
class Record:
    """A file of JSON objects, one a line, that several processes append to; whoever is killed leaves the rest whole."""

    path: Path

    def lines(self) -> list[Line]:
        """All whole lines; none if there is no file."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        return [line for line in map(_line, text.splitlines()) if line is not None]

    def of(self, what: str) -> list[Line]:
        return [line for line in self.lines() if line["what"] == what]

    def add(self, line: Line) -> None:
        """Append a line, with the time, in one write; on a line of its own though a killed process left half of one."""
        line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **line}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            torn = file.read(1) not in {b"", b"\n"}
            file.write((b"\n" if torn else b"") + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _line(text: str) -> Line | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "what" in found else None


def table(lines: Sequence[Line]) -> str:
    """Builds and ratios by case as Markdown, the spreads, and what must be known beside them."""
    builds, timings = ([line for line in lines if line["what"] == what] for what in (BUILD, TIMING))
    cases = list(dict.fromkeys(line["case"] for line in (*builds, *timings) if line["case"] != AGAIN))
    rows = [_row(case, builds, timings) for case in cases]
    head = (
        "| case | builds | median, s | lowest | highest | timings | ratio, median | lowest | highest |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    )
    return "\n".join([circumstances(builds), "", *head, *rows, "", *_spreads(timings), *_doubts(lines, timings)])


def circumstances(lines: Sequence[Line]) -> str:
    """Of which model, mask and machine: every value that a line tells, since a record may be of several machines."""
    named = ("study", "device", "batch", "float_type", "options", "int8_layers", "calibration", "versions")
    told = {name: list(dict.fromkeys(str(line[name]) for line in lines if name in line)) for name in named}
    dates = sorted({str(line["at"])[:10] for line in lines if "at" in line})
    return "; ".join([*(f"{name} {' or '.join(values)}" for name, values in told.items() if values), *dates])


def _row(case: str, builds: Iterable[Line], timings: Iterable[Line]) -> str:
    seconds = [line["seconds"] for line in builds if line["case"] == case]
    ratios = [line["ratio"] for line in timings if line["case"] == case]
    return f"| {case} | {_cells(seconds, '.1f')} | {_cells(ratios, '.4f')} |"


def _cells(values: Sequence[float], form: str) -> str:
    if not values:
        return "0 | - | - | -"
    told = (float(np.median(values)), min(values), max(values))
    return " | ".join([str(len(values)), *(format(value, form) for value in told)])


def _spreads(timings: Sequence[Line]) -> list[str]:
    """Half-widths of the ratio over rebuilds of the mask, and over processes that load one engine of it."""
    rebuilt = [line["ratio"] for line in timings if line["case"] in {"mask, no cache", "mask, from the cache"}]
    by_engine: dict[str, list[float]] = {}
    for line in timings:
        by_engine.setdefault(line["engine"], []).append(line["ratio"])
    again = max(by_engine.values(), key=len, default=[])
    return [
        f"Half-width of the ratio over {len(values)} {name}: {half_width(values):.2%}"
        for name, values in (("rebuilds of the mask", rebuilt), ("fresh processes of one engine", again))
        if len(values) > 1
    ]


def half_width(values: Sequence[float]) -> float:
    """Half the range that holds 95 % of the values, as a part of their median."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float((high - low) / 2 / np.median(values))


def _doubts(lines: Sequence[Line], timings: Sequence[Line]) -> list[str]:
    told = []
    if disturbed := [line for line in timings if line["flags"]]:
        flags = sorted({flag for line in disturbed for flag in line["flags"]})
        told.append(f"{len(disturbed)} of {len(timings)} timings were flagged: {', '.join(flags)}.")
    references = {line["reference"] for line in timings}
    if len(references) > 1:
        told.append(f"Timed against {len(references)} builds of the reference: ratios differ by that too.")
    told += [
        f"Float, for want of an INT8 kernel: {', '.join(line['nodes'])}." for line in lines if line["what"] == NO_KERNEL
    ]
    told += [f"Failed: {line['case']}: {line['reason']}" for line in lines if line["what"] == FAILED]
    return told
