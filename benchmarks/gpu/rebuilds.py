"""How much do rebuilds of one engine differ? A mask and the float reference, built again and again, and timed.

    python benchmarks/gpu/rebuilds.py STUDY --record rebuilds.jsonl --seconds 560 [--mask ultralytics] [--set KEY=VALUE]
    python benchmarks/gpu/rebuilds.py --record rebuilds.jsonl --table

Each graph is built five times alone without a timing cache, five times from the cache that the first of those filled,
and once each beside another process that builds on the same device, without its lock: the only builds here that the
program would not make. Every build is a process of its own, and every engine is timed in a fresh one, in pairs with the
same build of the reference. A line a build and a timing is appended to the record as it ends, so that a run that is cut
off, or at its time limit, goes on where it was. Several processes, each with a GPU of its own (CUDA_VISIBLE_DEVICES),
may work on one record: they share the builds. Engines and caches lie beside the record, in a folder of its name.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from qpareto.errors import EngineError, NoKernelError, QParetoError
from qpareto.objectives.accuracy.sample import IMAGES
from qpareto.objectives.device import Device
from qpareto.objectives.engines import EngineOptions
from qpareto.objectives.engines.build import build_engine
from qpareto.objectives.isolation.child import run_in_child
from qpareto.objectives.quantization.apply_mask import QuantizedModel
from qpareto.objectives.score import Scorer
from qpareto.objectives.store import Store, content_key
from qpareto.search.run.baselines import ultralytics_mask
from qpareto.search.run.prepare import check_runs, scorer_of_spec
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask
from rebuild_jobs import FLOAT, MASK, REFERENCE, Build, Progress, Task, Timing, tasks
from rebuild_neighbour import held, neighbour
from rebuild_record import BUILD, FAILED, NO_KERNEL, TIMING, Line, Record, table
from timed_pair import timed_pair

BUILT = "rebuild.json"  # in an engine's folder: how long it took, and what tells it from other builds of its case
LOOK_S = 1.0  # between two looks at what other processes have done meanwhile


@dataclass
class Bench:
    """What is built and timed, where it lies, and until when.

    Args:
        asked: the mask before layers are taken out that have no INT8 kernel here.
        until: by `time.monotonic`.
        given_up: what failed in this process.
    """

    scorer: Scorer
    asked: Candidate
    record: Record
    until: float
    tasks: Sequence[Task]
    facts: Line
    given_up: set[Task] = field(default_factory=set)

    @property
    def work(self) -> Path:
        return self.record.path.with_suffix("")

    @property
    def device(self) -> Device:
        return Device(self.scorer.options, Store(self.work))

    @property
    def left_s(self) -> float:
        return self.until - time.monotonic()

    @cached_property
    def options(self) -> EngineOptions:
        return self.scorer.build_options()

    @cached_property
    def graphs(self) -> dict[str, QuantizedModel]:
        """The mask's without the layers of which this record tells that they have no INT8 kernel, and the float one."""
        missing = {node for line in self.record.of(NO_KERNEL) for node in line["nodes"]}
        mask = self.asked.mask.without(missing)
        return {
            MASK: self.scorer.quantize(Candidate(self.asked.calibration, mask)),
            FLOAT: self.scorer.reference_graph(),
        }

    def key(self, build: Build) -> str:
        """What tells an engine from every other, of another mask, device or version too."""
        return content_key(build=build.title, graph=self.graphs[build.graph].graph_hash, **self._made_with)

    @cached_property
    def _made_with(self) -> dict[str, Any]:
        kind = self.scorer.kind
        told = {"options": self.options.key(), "recipe": kind.recipe}
        return {**told, "versions": kind.versions(), "device": kind.device_name()}

    def progress(self) -> Progress:
        """As the record and the folder are now."""
        keys = {task: self.key(task) for task in self.tasks if isinstance(task, Build)}
        store = self.device.store
        here = {build for build, key in keys.items() if store.find("engines", key) and self.cache(build).is_dir()}
        return Progress(self.tasks, self.record.lines(), keys, frozenset(here))

    def cache(self, build: Build) -> Path:
        """Where a build keeps what speeds up later ones."""
        return self.work / "caches" / self.key(build)

    def run(self) -> None:
        """Do what is to be done until all is done or the time is up."""
        while self.left_s > 0:
            progress = self.progress()
            waiting = [task for task in progress.open() if task not in self.given_up]
            fitting = [task for task in waiting if progress.expected_s(task) < self.left_s]
            if not fitting:
                logging.info("%d builds and timings are left", len(waiting))
                return
            if not any(self._did(task) for task in fitting if progress.is_ready(task)):
                if not any(progress.is_ready(task) or self._is_made(task) for task in fitting):
                    logging.info("%d builds and timings wait for what could not be built", len(fitting))
                    return
                time.sleep(LOOK_S)
        logging.info("the time is up")

    def _is_made(self, task: Task) -> bool:
        """Whether another process may be making what it needs."""
        needs = {task.build, REFERENCE} if isinstance(task, Timing) else {task.cache_filler}
        return not needs & self.given_up

    def _did(self, task: Task) -> bool:
        """Whether this process did it, rather than another one."""
        with held(self.work / "locks" / content_key(task=task.title)) as mine:
            if not mine or task not in self.progress().open():
                return False
            logging.info("%s, %.0f s left", task.title, self.left_s)
            try:
                self.time(task) if isinstance(task, Timing) else self.build(task)
            except EngineError as error:
                self._failed(task, error)
        return True

    def _failed(self, task: Task, error: EngineError) -> None:
        told = error.nodes if isinstance(error, NoKernelError) else ()
        nodes = [node for node in told if node in self.graphs[MASK].mask]
        logging.warning("%s: %s", task.title, error)
        if nodes:
            self.record.add({"what": NO_KERNEL, "nodes": nodes})
            del self.graphs  # the mask is another from now on
        else:
            self.given_up.add(task)
            if self.left_s > 0:
                self.record.add({"what": FAILED, "case": task.case, "reason": str(error).partition(" Its log:")[0]})

    def build(self, build: Build) -> None:
        """Build an engine as the program does, and record how long that took."""
        cache, key = self.cache(build), self.key(build)
        shutil.rmtree(cache, ignore_errors=True)  # a killed run's
        if build.cached:
            shutil.copytree(self.cache(build.cache_filler), cache)
        cache.mkdir(parents=True, exist_ok=True)
        folder = self.device.store.make("engines", key, lambda folder: self._fill(folder, build, cache))
        built = json.loads((folder / BUILT).read_text())
        told = {"case": build.case, "number": build.number, "engine": key, "seconds": built["seconds"]}
        mask = self.graphs[MASK].mask
        told |= {"mask": mask.word, "int8_layers": len(mask)}
        self.record.add({"what": BUILD, **self.facts, **told})

    def _fill(self, folder: Path, build: Build, cache: Path) -> None:
        with tempfile.TemporaryDirectory() as aside, self.device.building():
            paths = {graph: Path(aside) / f"{graph}.onnx" for graph in self.graphs}
            for graph, quantized in self.graphs.items():
                paths[graph].write_bytes(self.scorer.built_graph(quantized).SerializeToString())
            options = replace(self.options, shared_dir=cache)
            limit_s = max(1.0, min(options.build_timeout_s, self.left_s))
            log = self.work / "logs" / f"{folder.name}.log"
            with neighbour(paths[FLOAT], self.options) if build.beside else nullcontext():
                start = time.monotonic()
                run_in_child(build_engine, paths[build.graph], folder, options, None, timeout_s=limit_s, log_path=log)
                seconds = time.monotonic() - start
        (folder / BUILT).write_text(json.dumps({"seconds": round(seconds, 2), "token": secrets.token_hex(4)}))

    def time(self, timing: Timing) -> None:
        """Time an engine in a fresh process, against the reference, and record the ratio."""
        scorer, store, key = self.scorer, self.device.store, self.key(timing.build)
        engine, reference = (store.find("engines", self.key(build)) for build in (timing.build, REFERENCE))
        assert engine is not None
        assert reference is not None
        options = replace(scorer.options, run_timeout_s=max(1.0, min(scorer.options.run_timeout_s, self.left_s)))
        start = time.monotonic()
        found = timed_pair(scorer, Device(options, store), reference, engine)
        told = {"case": timing.case, "number": timing.number, "engine": key, "seconds": time.monotonic() - start}
        told |= {"reference": json.loads((reference / BUILT).read_text())["token"], "ratio": found.ratio.value}
        told |= {"ratio_ci": found.ratio.ends, "ms": found.median_ms, "reference_ms": found.reference_ms}
        told |= {"pairs": found.pairs, "flags": found.flags, "readings": found.readings, "energy_mj": found.energy_mj}
        self.record.add({"what": TIMING, **told, "gpu": os.environ.get("CUDA_VISIBLE_DEVICES")})


def bench_of_study(study: Path, overrides: Sequence[str], record: Record, options: argparse.Namespace) -> Bench:
    """The bench of a study file, with only the images that a timing shows to the engines.

    Raises:
        QParetoError: the study file, the mask or the calibration is at fault, or engines cannot run here.
    """
    spec = load_study_file(study, list(overrides))
    data = spec.data.model_copy(update={"limit": max(spec.engine.batch, IMAGES)})
    choice = CalibrationChoice.parse(options.calibration)
    scorer = scorer_of_spec(spec.model_copy(update={"data": data}), calibration_size=choice.size)
    check_runs(scorer)
    asked = Candidate(choice, mask_of_text(options.mask, [layer.name for layer in scorer.layers]))
    facts = {
        "study": spec.name,
        "device": scorer.kind.device_name(),
        "batch": scorer.options.batch,
        "float_type": scorer.options.float_type,
        "options": scorer.options.identity(),
        "calibration": str(choice),
        "versions": scorer.versions,
    }
    planned = tasks(repeats=options.repeats, again=options.again)
    until = time.monotonic() + options.seconds
    return Bench(scorer=scorer, asked=asked, record=record, until=until, tasks=planned, facts=facts)


def mask_of_text(text: str, layers: list[str]) -> LayerMask:
    """`ultralytics`, `all`, a file with the name of one INT8 layer a line, or a mask's word."""
    if text in {"ultralytics", "all"}:
        return LayerMask.all(layers) if text == "all" else ultralytics_mask(layers)
    return LayerMask.from_file(layers, Path(text)) if Path(text).is_file() else LayerMask.from_word(layers, text)


def main() -> None:
    options = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    record = Record(options.record)
    if not options.table:
        try:
            bench_of_study(options.study, options.set, record, options).run()
        except QParetoError as error:
            raise SystemExit(f"rebuilds: {error}") from None
    print(table(record.lines()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("study", type=Path, nargs="?", help="study file; not needed for --table")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="over the study file's value")
    add("--record", type=Path, required=True, help="JSON-lines file; builds and timings are added to it")
    add("--mask", default="ultralytics", help="all, ultralytics, a mask's word, or a file (default: %(default)s)")
    add("--calibration", default="max:64", metavar="METHOD:SIZE", help="default: %(default)s")
    add("--repeats", type=int, default=5, help="builds of each case (default: %(default)s)")
    add("--again", type=int, default=10, help="timings of one engine (default: %(default)s)")
    add("--seconds", type=float, default=3600, help="no more than this is spent (default: %(default)s)")
    add("--table", action="store_true", help="only print the table of what is recorded")
    options = parser.parse_args()
    if options.study is None and not options.table:
        parser.error("name a study file, or --table")
    return options


if __name__ == "__main__":
    main()
