"""A stand-in for what measures: 50 ms a candidate, its figures a formula; all the rest of a worker is real.

As a script it is one worker process: `python stand_in.py URL NAME --trials 200`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from made_up_trials import measured
from qpareto.errors import CandidateError
from qpareto.objectives.measurement import Measurement
from qpareto.objectives.store import Store, content_key
from qpareto.search.run.baselines import Baseline, baselines
from qpareto.search.run.objective import Prior
from qpareto.search.run.worker import Worker
from qpareto.search.study.identity import Identity
from qpareto.search.study.opening import open_study
from qpareto.search.study_file.spec import StudySpec
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.layers import Layer
from qpareto.spaces.space import Space, space_of_layers

SHARED = "what every candidate needs"  # in the cache
IDENTITY = Identity(model="stand-in", engine={"float_type": "fp32"}, device="A stand-in")


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """An objective without a model.

    Args:
        takes_s: how long a measurement takes.
        log: gets a line for each measurement; None for none.
        cache: a folder in which something is kept for each candidate, and one thing for all; None for none.
        recipes_too: whether baselines are measured first.
        kills: a candidate that kills its worker, as it prints.
        fails: a candidate that cannot be measured.
    """

    takes_s: float = 0.05
    log: Path | None = None
    cache: Path | None = None
    recipes_too: bool = False
    kills: str | None = None
    fails: str | None = None
    unit_ms: float = 0.0

    float_type = "fp32"
    races = False

    def reference_ms(self) -> float:
        return 20.0 + os.getpid() % 97 / 100  # as every worker would find another one

    def recipes(self, space: Space) -> Sequence[Baseline]:
        return baselines(space, faster_float_type=None) if self.recipes_too else ()

    def prior(self, space: Space) -> Prior:
        del space
        return Prior()

    def without_kernel(self) -> frozenset[str]:
        return frozenset()

    def graph_hash(self, candidate: Candidate) -> str:
        return hashlib.sha256(str(candidate).encode()).hexdigest()[:16]

    def measure(
        self, candidate: Candidate, *, float_type: str, rivals: Mapping[int, Measurement] | None
    ) -> Measurement:
        del rivals
        graph = self.graph_hash(candidate)
        if self.cache is not None:
            store = Store(self.cache)
            store.make("stand-in", "shared", lambda folder: _write(folder / "kept", SHARED))
            store.make("stand-in", content_key(graph=graph), lambda folder: _write(folder / "kept", graph))
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(json.dumps({"pid": os.getpid(), "candidate": str(candidate), "graph": graph}) + "\n")
        time.sleep(self.takes_s)
        if str(candidate) == self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        if str(candidate) == self.fails:
            raise CandidateError("The engine did not build.")
        share = len(candidate.mask) / len(candidate.mask.layers)
        jitter = int(graph, 16) % 1000 / 1e5
        ratio = 1.0 - 0.45 * share + jitter
        return measured(
            0.4 - 0.02 * share * share + jitter,
            ratio,
            latency_ms=ratio * self.unit_ms,
            reference_ms=self.unit_ms,
            graph_hash=graph,
            float_type=float_type,
            mask=candidate.mask.word,
            int8_layers=tuple(candidate.mask),
            calibration=str(candidate.calibration) if candidate.mask else None,
        )


def stand_in_space(layers: int) -> Space:
    made_up = [Layer(name=f"/model.{i}/Conv", op="Conv", block=f"model.{i}", macs=1, weights=1) for i in range(layers)]
    return space_of_layers(made_up, methods=["max", "entropy"], sizes=[16, 32])


def stand_in_spec(storage: str, name: str, **search: Any) -> StudySpec:
    usual = {"sampler": "random", "warm_start": 0, "race": None, "baselines": False}
    nowhere = {"images": "/none", "annotations": "/none", "calibration": "/none"}
    document = {"version": 1, "name": name, "model": "/none.onnx", "data": nowhere, "storage": storage}
    return StudySpec.model_validate({**document, "search": usual | search})


def stand_in_worker(spec: StudySpec, objective: StandIn, *, layers: int) -> Worker:
    """A worker of the study, which is made if it is not there."""
    study = open_study(spec, identity=IDENTITY, reference_ms=objective.reference_ms)
    objective = replace(objective, unit_ms=study.reference_ms or 0.0)
    return Worker(spec=spec, study=study, objective=objective, space=stand_in_space(layers))


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("storage")
    parser.add_argument("name")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--layers", type=int, default=90)
    parser.add_argument("--takes-s", type=float, default=0.05)
    parser.add_argument("--lease-s", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--kills")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(process)d %(message)s", level=logging.INFO, stream=sys.stderr)
    spec = stand_in_spec(options.storage, options.name, lease_s=options.lease_s, seed=options.seed)
    objective = StandIn(takes_s=options.takes_s, log=options.log, cache=options.cache, kills=options.kills)
    stand_in_worker(spec, objective, layers=options.layers).run(trials=options.trials)


if __name__ == "__main__":
    main()
