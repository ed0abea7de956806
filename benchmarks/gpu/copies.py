"""How much does it matter where in memory an engine lies? Copies of one engine in one process, timed in turn.

    python benchmarks/gpu/copies.py STUDY [--copies 12] [--processes 3] [--rounds 40] [--set KEY=VALUE]

For the reference of a study file and the engine with all layers in INT8: a row for each process, of the medians of its
copies. The last column holds each copy against the one that was loaded at the same point of the first process: where
that is little and the copies lie far apart, a process of one copy tells the same wrong figure again and again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from copy_times import Floats, medians_ms
from qpareto.errors import QParetoError
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.score import Scorer
from qpareto.search.run.prepare import check_runs, scorer_of_spec
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.calibration import CalibrationChoice


def rows(name: str, found: list[Floats]) -> Iterator[str]:
    """A row a process, as Markdown."""
    for number, ms in enumerate(found, start=1):
        apart, off = np.log(ms).std(ddof=1), np.median(np.abs(np.log(ms / found[0])))
        figures = f"{ms.min():.4f} | {np.median(ms):.4f} | {ms.max():.4f} | {apart:.2%}"
        yield f"| {name} | {number} | {len(ms)} | {figures} | {'-' if number == 1 else f'{off:.2%}'} |"


def _found(scorer: Scorer, engine: EngineRef, options: argparse.Namespace) -> list[Floats]:
    arguments = engine, scorer.images.pixels, options.copies, options.rounds
    return [scorer.device.run(f"copies-{engine.name}", medians_ms, *arguments) for _ in range(options.processes)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("study", type=Path, help="study file")
    add("--copies", type=int, default=12, help="at least 2 (default: %(default)s)")
    add("--processes", type=int, default=3, help="default: %(default)s")
    add("--rounds", type=int, default=40, help="timed runs of each copy (default: %(default)s)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="over the study file's value")
    options = parser.parse_args()
    try:
        scorer = scorer_of_spec(load_study_file(options.study, options.set))
        check_runs(scorer)
        choice = CalibrationChoice("max", len(scorer.calibration.hashes))
        engines = {"reference": scorer.reference(), f"all INT8, {choice}": scorer.all_int8(choice)}
        print(f"{scorer.kind.device_name()}, {scorer.versions}, batch {scorer.options.batch}\n")
        print("| engine | process | copies | fastest, ms | median, ms | slowest, ms | deviation | off process 1's |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for name, engine in engines.items():
            print(*rows(name, _found(scorer, engine, options)), sep="\n", flush=True)
    except QParetoError as error:
        raise SystemExit(f"copies: {error}") from None


if __name__ == "__main__":
    main()
