"""Do builds that share a GPU choose kernels as well as builds alone, and how much sooner are they done?

    python benchmarks/gpu/side_by_side.py STUDY --record side.jsonl [--at-once 4] [--masks 2] [--set KEY=VALUE]
    python benchmarks/gpu/side_by_side.py --record side.jsonl --table

Each of some masks drawn at random is built several times, each time from a copy of the study's timing cache, so that
the same kernels are left to be timed: one build after the other; all at once, as workers of the program do it; and all
at once without taking turns, which the program never does. Every engine is then timed against one build of the
reference, alone on its GPU and in a process of its own. A line is appended to the record as each round ends, so a run
that is cut off goes on where it was. Run it after a study, whose cache then knows most kernels.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qpareto.errors import QParetoError
from qpareto.objectives.isolation.child import run_in_child
from qpareto.objectives.score import Scorer
from qpareto.objectives.store import Store
from qpareto.search.run.prepare import check_runs, scorer_of_spec
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask
from rebuild_neighbour import LOCK_DIR, build_locked
from rebuild_record import Line, Record, circumstances, half_width
from timed_pair import timed_pair

ALONE, IN_TURNS, AT_ONCE = "one after the other", "at once, in turns", "at once, without turns"
INT8_SHARE = 0.6  # of a mask's layers


@dataclass(frozen=True)
class Bench:
    """Builds and times in one folder that is thrown away.

    Args:
        pool: as many threads as there are builds at once; each keeps one child process, as a worker does.
        at_once: builds of a round.
        calibration: of every mask.
    """

    scorer: Scorer
    calibration: CalibrationChoice
    pool: ThreadPoolExecutor
    at_once: int
    folder: Path

    def graph(self, seed: int | None) -> Path:
        """The graph of a mask drawn at random; the reference's for None."""
        path = self.folder / f"graph-{seed}.onnx"
        if not path.is_file():
            quantized = self.scorer.reference_graph() if seed is None else self.scorer.quantize(self._candidate(seed))
            path.write_bytes(self.scorer.built_graph(quantized).SerializeToString())
        return path

    def _candidate(self, seed: int) -> Candidate:
        chance, names = random.Random(seed), [layer.name for layer in self.scorer.layers]
        chosen = [name for name in names if chance.random() < INT8_SHARE]
        return Candidate(self.calibration, LayerMask.from_names(names, chosen))

    def built(self, graph: Path, way: str) -> tuple[list[Path], list[float], float]:
        """Engines of one graph, the seconds that each took, and those of the whole round."""
        start = time.monotonic()
        if way == ALONE:
            made = [self.pool.submit(self._build, graph, way).result() for _ in range(self.at_once)]
        else:
            made = list(self.pool.map(self._build, [graph] * self.at_once, [way] * self.at_once))
        return [folder for folder, _ in made], [seconds for _, seconds in made], time.monotonic() - start

    def _build(self, graph: Path, way: str) -> tuple[Path, float]:
        """As the program does it; but builds that take no turns have locks of their own, which hold nobody up."""
        name = secrets.token_hex(8)
        own = self.folder / name
        options = replace(self.scorer.build_options(), shared_dir=self._copied_cache(own))
        lock_dir = str(own / "locks") if way == AT_ONCE else os.environ.get(LOCK_DIR)

        def fill(folder: Path) -> None:
            run_in_child(
                build_locked,
                *(graph, folder, options, lock_dir),
                timeout_s=options.build_timeout_s,
                log_path=own / "log",
                kept="side by side",
            )

        start = time.monotonic()
        with self.scorer.device.building():
            return Store(self.folder).make("engines", name, fill), time.monotonic() - start

    def _copied_cache(self, own: Path) -> Path:
        ours, copy = self.scorer.build_options().shared_dir, own / "cache"
        copy.mkdir(parents=True)
        for file in ours.glob("timing-*.cache") if ours else ():
            shutil.copy2(file, copy)
        return copy

    def timed(self, reference: Path, engine: Path) -> Line:
        found = timed_pair(self.scorer, self.scorer.device, reference, engine)
        return {"ratio": found.ratio.value, "ms": found.median_ms, "flags": found.flags}


def rounds(masks: int) -> Iterator[tuple[int, str]]:
    """Every mask in each way, mask by mask: a run that is cut off has compared whole masks."""
    for seed in range(1, masks + 1):
        for way in (ALONE, IN_TURNS, AT_ONCE):
            yield seed, way


def run(bench: Bench, record: Record, masks: int) -> None:
    done = {(line["seed"], line["way"]) for line in record.of("round")}
    left = [each for each in rounds(masks) if each not in done]
    if not left:
        return
    (reference, *_), _, _ = bench.built(bench.graph(None), IN_TURNS)  # every child has loaded the library after it
    for seed, way in left:
        folders, seconds, wall_s = bench.built(bench.graph(seed), way)
        timings = [bench.timed(reference, folder) for folder in folders]
        told: dict[str, Any] = {"seed": seed, "way": way, "seconds": seconds, "wall_s": wall_s, "timings": timings}
        told |= {"device": bench.scorer.kind.device_name(), "versions": bench.scorer.versions}
        told |= {"batch": bench.scorer.options.batch, "calibration": str(bench.calibration)}
        record.add({"what": "round", **told})


def table(lines: Sequence[Line]) -> str:
    """On which machine, then a row a mask and way, as Markdown; flagged timings are counted."""
    rows = [circumstances(lines), ""]
    rows.append("| mask | builds | | seconds a build | wall seconds for all | ratio | lowest | highest | half-width |")
    rows.append("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for line in lines:
        ratios = [timing["ratio"] for timing in line["timings"]]
        flagged = sum(bool(timing["flags"]) for timing in line["timings"])
        cells = [str(line["seed"]), line["way"] + (f", {flagged} flagged" if flagged else ""), str(len(ratios))]
        cells += [f"{np.median(line['seconds']):.1f}", f"{line['wall_s']:.1f}", f"{np.median(ratios):.4f}"]
        cells += [f"{min(ratios):.4f}", f"{max(ratios):.4f}", f"{half_width(ratios):.2%}"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("study", type=Path, nargs="?", help="study file; not needed for --table")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="over the study file's value")
    add("--record", type=Path, required=True, help="JSON-lines file; rounds are added to it")
    add("--calibration", default="max:64", metavar="METHOD:SIZE", help="default: %(default)s")
    add("--at-once", type=int, default=4, help="builds of a round (default: %(default)s)")
    add("--masks", type=int, default=2, help="default: %(default)s")
    add("--table", action="store_true", help="only print the table of what is recorded")
    options = parser.parse_args()
    record = Record(options.record)
    if not options.table:
        if options.study is None:
            parser.error("name a study file, or --table")
        try:
            choice = CalibrationChoice.parse(options.calibration)
            scorer = scorer_of_spec(load_study_file(options.study, options.set), calibration_size=choice.size)
            check_runs(scorer)
            with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.at_once) as pool:
                run(Bench(scorer, choice, pool, options.at_once, Path(folder)), record, options.masks)
        except QParetoError as error:
            raise SystemExit(f"side_by_side: {error}") from None
    print(table(record.of("round")))


if __name__ == "__main__":
    main()
