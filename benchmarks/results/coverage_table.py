"""How often a new timing of a mask fell into the interval that another one had told: of a record of `coverage.py`.

python benchmarks/results/coverage_table.py recorded/NAME.jsonl
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from provenance import in_words
from qpareto.search.table import Table, markdown, words

COLUMNS = ("INT8 layers", "timings", "ratio", "lowest", "highest", "spread", "within told", "within own", "flagged")
Line = Mapping[str, Any]


def lines_of(record: Path) -> list[Line]:
    """One timing each."""
    return [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]


def coverage_table(lines: Sequence[Line]) -> str:
    """A row a mask, then how often the told interval held.

    New timings are held against what a study told of the mask, where the record has that (`coverage.py --front`), else
    every timing against what every other one told.

    Args:
        lines: at least one.
    """
    by_mask: dict[str, list[Line]] = {}
    for line in lines:
        by_mask.setdefault(line["mask"], []).append(line)
    table = markdown(Table(words(*COLUMNS), [_row(timings) for timings in by_mask.values()]))
    pairs = sum(len(_pairs(timings)) for timings in by_mask.values())
    if not pairs:
        return table
    told, own = (sum(_within(timings, name) for timings in by_mask.values()) for name in ("told", "own"))
    versions = ", ".join(f"{name} {number}" for name, number in lines[0].get("versions", {}).items())
    told_share, own_share = _percent(told / pairs, 1), _percent(own / pairs, 1)
    return (
        f"{table}\n\nOn {lines[0]['device']}, {told_share} of {pairs} new timings fell into the interval that was "
        f"told of the same mask before (95 % is what it claims), {own_share} into the timing's own. The spread "
        f"between timings, as that machine had measured it before, was {_percent(lines[0]['spread'])}."
        + (f" {in_words(date.fromisoformat(lines[-1]['date']))}; {versions}." if versions else "")
    )


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"


def _row(timings: Sequence[Line]) -> tuple[str, ...]:
    new = _new(timings)
    ratios = np.array([line["ratio"] for line in new])
    others = len(_pairs(timings))
    return (
        str(timings[0]["int8"]),
        str(len(new)),
        f"{np.median(ratios):.4f}",
        f"{ratios.min():.4f}",
        f"{ratios.max():.4f}",
        _percent(float(np.log(ratios).std(ddof=1))) if len(ratios) > 1 else "-",
        f"{_within(timings, 'told')} of {others}",
        f"{_within(timings, 'own')} of {others}",
        str(sum(bool(line["flags"]) for line in new)),
    )


def _new(timings: Sequence[Line]) -> list[Line]:
    """Those that were timed for the record, without what a study told."""
    return [line for line in timings if "trial" not in line]


def _pairs(timings: Sequence[Line]) -> list[tuple[Line, Line]]:
    """One that tells an interval, and a new timing of the same mask."""
    told = [line for line in timings if "trial" in line] or timings
    return [(a, b) for a in told for b in _new(timings) if a is not b]


def _within(timings: Sequence[Line], interval: str) -> int:
    return sum(a[interval][0] <= b["ratio"] <= a[interval][1] for a, b in _pairs(timings))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    print(coverage_table(lines_of(parser.parse_args().record)))


if __name__ == "__main__":
    main()
