"""How often a new measurement of a mask's latency falls into the interval that was told of it: nominally 95 of 100.

    python benchmarks/coverage.py STUDY --masks 5 --again 5 --record coverage.jsonl
    python benchmarks/results/coverage_table.py coverage.jsonl

For the reference and random masks of a study file's space: the candidate is built and timed as a study does, which
tells an interval; then it is built anew and timed in a new process, again and again. Each line of the record is one
timing, kept as it comes: the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qpareto.objectives.score import Scorer
from qpareto.search.run.prepare import scorer_of_spec, space_of_spec
from qpareto.search.study_file import load_study_file
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask


def main() -> None:
    options = _arguments()
    record: Path = options.record
    spec = load_study_file(options.study, options.set)
    scorer = scorer_of_spec(spec)
    space = space_of_spec(spec, scorer.layers)
    chance = random.Random(options.seed)
    for number in range(options.masks):
        share = number / max(options.masks - 1, 1)  # none first, all last
        int8 = [name for name in space.searched if chance.random() < share]
        candidate = Candidate(space.calibrations[-1], LayerMask.from_names(space.layers, int8))
        for build in range(1 + options.again):
            if (candidate.mask.word, build) not in {(line["mask"], line["build"]) for line in _lines(record)}:
                _add(record, _timing(replace(scorer, build=100 + build), scorer, candidate, build))


def _timing(again: Scorer, scorer: Scorer, candidate: Candidate, build: int) -> dict[str, Any]:
    """One timing of a build of its own; the first one's told interval is what the others are held against."""
    timed = scorer.clock.latency(again.engine(scorer.quantize(candidate)), scorer.options)
    return {
        "mask": candidate.mask.word,
        "int8": len(candidate.mask),
        "build": build,
        "ratio": timed.ratio,
        "own": timed.ratio_ci,
        "told": scorer.spread.around(timed.ratio, timed.ratio_ci),
        "spread": scorer.spread.deviation,
        "flags": timed.flags,
        "device": scorer.kind.device_name(),
        "engine": {"kind": scorer.kind.name, "recipe": scorer.kind.recipe},
        "versions": scorer.versions,
        "date": str(datetime.now(UTC).date()),
    }


def _lines(record: Path) -> Iterator[dict[str, Any]]:
    if record.is_file():
        yield from map(json.loads, record.read_text(encoding="utf-8").splitlines())


def _add(record: Path, line: dict[str, Any]) -> None:
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("study", type=Path, help="study file")
    parser.add_argument("--record", type=Path, required=True, help="JSON lines, one a timing")
    parser.add_argument("--masks", type=int, default=5)
    parser.add_argument("--again", type=int, default=5, help="new builds of each mask")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
