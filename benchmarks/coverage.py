"""How often a new measurement of a mask's latency falls into the interval that was told of it: nominally 95 of 100.

    python benchmarks/coverage.py STUDY --masks 5 --again 5 --record coverage.jsonl
    python benchmarks/coverage.py STUDY --front --again 4 --record confirmed.jsonl
    python benchmarks/results/coverage_table.py coverage.jsonl

For random masks of a study file's space: the candidate is built and timed as a study does, which tells an interval;
then it and the reference are built anew and timed in a new process, again and again. With `--front` the intervals are
those that the study itself tells of its front, once that is confirmed. A candidate without INT8 layers is left out: it
is the reference. Each line of the record is one timing, kept as it comes: the same command goes on from there. With
`--one-build` the new timings are of one new build, so that two records show apart what processes and builds change.
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
from qpareto.search.api import results
from qpareto.search.results.points import Point
from qpareto.search.run.prepare import scorer_of_spec, space_of_spec
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask

Line = dict[str, Any]
FIRST_BUILD = 100  # no study builds so often


def main() -> None:
    options = _arguments()
    spec = load_study_file(options.study, options.set)
    scorer = scorer_of_spec(spec)
    scorer.spread()  # before any mask: it also learns which layers have no INT8 kernel here
    if options.front:
        _time_front(spec, scorer, options)
    else:
        _time_masks(spec, scorer, options)


def _time_masks(spec: StudySpec, scorer: Scorer, options: argparse.Namespace) -> None:
    """Random masks, from a few to all layers in INT8; each timing tells an interval."""
    space, chance = space_of_spec(spec, scorer.layers), random.Random(options.seed)
    for number in range(options.masks):
        share = (1 + number) / options.masks
        int8 = [name for name in space.searched if chance.random() < share]
        candidate = Candidate(space.calibrations[-1], LayerMask.from_names(space.layers, int8))
        for build in range(1 + options.again):
            _add_timing(scorer, candidate, build, options)


def _time_front(spec: StudySpec, scorer: Scorer, options: argparse.Namespace) -> None:
    """The study's front, those of it that were measured again: what it tells first, then new timings."""
    names = [layer.name for layer in scorer.layers]
    for point in results(spec).front:
        engine = point.measurement.engine
        if point.is_measured_again and engine.int8_layers and engine.float_type == spec.engine.float_type:
            candidate = engine.candidate(names)
            if not _has(options.record, candidate, 0):
                _add({**_as_told(point), **_provenance(scorer)}, options.record)
            for build in range(1, 1 + options.again):
                _add_timing(scorer, candidate, build, options)


def _as_told(point: Point) -> Line:
    """What the study tells, as the record holds timings, with `trial`."""
    found, spread = point.decisive, point.spread
    return {
        "trial": point.trial,
        "mask": found.engine.mask,
        "int8": len(found.engine.int8_layers),
        "build": 0,
        "ratio": found.timing.ratio.value,
        "own": found.timing.own.ends,
        "told": found.timing.ratio.ends,
        "spread": spread.deviation if spread else found.timing.spread,
        "flags": found.timing.flags,
    }


def _add_timing(scorer: Scorer, candidate: Candidate, build: int, options: argparse.Namespace) -> None:
    """Build and time a candidate, unless the record has it."""
    if _has(options.record, candidate, build):
        return
    anew = replace(scorer, build=FIRST_BUILD + (0 if options.one_build else build))
    quantized = anew.quantize(candidate)
    timed = anew.clock().latency(anew.engine(quantized))
    line = {
        "mask": candidate.mask.word,
        "int8": len(quantized.mask),
        "build": build,
        "ratio": timed.ratio.value,
        "own": timed.ratio.ends,
        "told": scorer.spread().around(timed.ratio).ends,
        "spread": scorer.spread().deviation,
        "flags": timed.flags,
        **_provenance(scorer),
    }
    _add(line, options.record)


def _provenance(scorer: Scorer) -> Line:
    return {
        "device": scorer.kind.device_name(),
        "engine": {"kind": scorer.kind.name, "recipe": scorer.kind.recipe},
        "versions": scorer.versions,
        "date": str(datetime.now(UTC).date()),
    }


def _lines(record: Path) -> Iterator[Line]:
    if record.is_file():
        yield from map(json.loads, record.read_text(encoding="utf-8").splitlines())


def _has(record: Path, candidate: Candidate, build: int) -> bool:
    return any((line["mask"], line["build"]) == (candidate.mask.word, build) for line in _lines(record))


def _add(line: Line, record: Path) -> None:
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("study", type=Path, help="study file")
    parser.add_argument("--record", type=Path, required=True, help="JSON lines, one a timing")
    parser.add_argument("--front", action="store_true", help="the study's confirmed front instead of random masks")
    parser.add_argument("--masks", type=int, default=5)
    parser.add_argument("--again", type=int, default=5, help="new builds of each mask")
    parser.add_argument("--one-build", action="store_true", help="new timings are of one new build, not of one each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
