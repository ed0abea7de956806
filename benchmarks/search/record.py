"""Samplers side by side on a real detector and device: every trial is measured, and kept as a line of a file.

    python benchmarks/search/record.py studies/yolo11n-coco-cpu.yaml --out recorded/yolo11n-coco-cpu.jsonl [--trials 40]

All samplers start from the same baselines and take turns, trial by trial, so that a drift of the machine hits them
alike; an engine that two of them ask for is measured once. Killed and started again, it goes on where it was. The lines
are what `compare.py` tells of and what `recorded.py` learns from.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna

from qpareto.errors import CandidateError
from qpareto.objectives.objective import directions_of
from qpareto.objectives.score import Scorer
from qpareto.search.run.baselines import baselines
from qpareto.search.run.known import graph_of_study
from qpareto.search.run.prepare import check_runs, scorer_of_spec, space_of_spec
from qpareto.search.samplers import Proposer
from qpareto.search.samplers.encoding import Graph
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.space import Space
from recording import BASELINE, LISTED, SPACE, Line, Recording, candidate_of_line

OBJECTIVES = ("map50_95", "latency_ms")
RUNS = ("ours", "ours-cold", "tpe", "tpe+warm", "nsga2", "nsga2+warm", "random", "random+warm")
KEPT = (
    "map50_95",
    "map50_95_change",
    "map50_95_change_ci",
    "latency_ratio",
    "latency_ratio_ci",
    "latency_ms",
    "flags",
    "mask",
    "calibration",
    "float_type",
    "graph_hash",
)


@dataclass
class Bench:
    """What all runs share: the study's space, its device, what is known beforehand, and the file."""

    scorer: Scorer
    space: Space
    seed: int
    recording: Recording
    warm: Sequence[Candidate]
    listed: Sequence[Candidate]

    def describe(self, graph: Graph) -> None:
        """Tell what is searched, or refuse to go on with a recording of another space."""
        choices = ("methods", "sizes", "bias_correction")
        space: Line = {"groups": self.space.groups, **{name: getattr(self.space, name) for name in choices}}
        for line in self.recording.of_run(SPACE):
            told = {"bias_correction": [False]} | line  # older recordings do not tell it
            for name in choices:
                if tuple(told[name]) != tuple(space[name]):
                    raise SystemExit(
                        f"{self.recording.path} was recorded with the calibration {name} {told[name]}: go on with "
                        f"--set 'space.calibration.{name}={json.dumps(told[name])}', or name another file."
                    )
        if not self.recording.of_run(SPACE):
            facts = {"device": self.scorer.kind.device_name(), "reference_ms": self.scorer.reference_ms()}
            made = {
                "versions": self.scorer.versions,
                "engine": {"kind": self.scorer.kind.name, "recipe": self.scorer.kind.recipe},
                "date": str(datetime.now(UTC).date()),
                "images": len(self.scorer.images),
            }
            self.recording.add({"run": SPACE, **space, **asdict(graph), **facts, **made})

    def measure_baselines(self) -> None:
        faster = self.scorer.kind.faster_float_type(self.scorer.options)
        recipes = baselines(self.space, faster_float_type=faster)
        held = {line["name"] for line in self.recording.of_run(BASELINE)}
        for recipe in recipes:
            if recipe.name not in held:
                self._measure(BASELINE, recipe.candidate, {"name": recipe.name}, float_type=recipe.float_type)

    def measure_next(self, run: str, proposer: Proposer) -> None:
        """One more trial of a run: of the candidates that it is given first, then what its sampler proposes."""
        trials = self._trials(run)
        given = self.listed if run == LISTED else self.warm if "+warm" in run else ()
        tried = {str(self.space.candidate(trial.params)) for trial in trials}
        waiting = next((each for each in given if str(each) not in tried), None)
        if waiting is not None:
            self._measure(run, waiting, {"name": "given"})
        if waiting is not None or run == LISTED:
            return
        start = time.monotonic()
        proposal = proposer.propose(trials)
        told = {"system_attrs": proposal.system_attrs, "suggestion_s": round(time.monotonic() - start, 3)}
        self._measure(run, self.space.candidate(proposal.params), told)

    def _measure(self, run: str, candidate: Candidate, told: Line, *, float_type: str | None = None) -> None:
        line = {"run": run, "number": len(self.recording.of_run(run)), **told}
        start = time.monotonic()
        try:
            quantized = self.scorer.quantize(candidate)
            known = self.recording.of_graph(quantized.graph_hash, float_type or self.scorer.options.float_type)
            found: Mapping[str, Any] = (
                known or self.scorer.measure(candidate, quantized, float_type=float_type).as_json()
            )
            line |= {"reused": known is not None, **{name: found[name] for name in KEPT}}
        except CandidateError as error:
            line |= {"failed": str(error), "mask": candidate.mask.word, "calibration": str(candidate.calibration)}
        self.recording.add(line | {"seconds": round(time.monotonic() - start, 1)})
        told_of = line.get("failed") or f"{line['map50_95']:.4f} at {line['latency_ratio']:.3f} {line['flags']}"
        logging.info("%s %d: %s, %.0f s", run, line["number"], told_of, time.monotonic() - start)

    def _trials(self, run: str) -> list[optuna.trial.FrozenTrial]:
        """A run's history as Optuna holds it."""
        study = optuna.create_study(directions=directions_of(OBJECTIVES))
        lines = self.recording.trials(run)
        study.add_trials([self._trial(x) for x in lines if self.space.accepts(candidate_of_line(x, self.space))])
        return study.get_trials(deepcopy=False)

    def _trial(self, line: Line) -> optuna.trial.FrozenTrial:
        failed = "failed" in line
        return optuna.trial.create_trial(
            params=self.space.params(candidate_of_line(line, self.space)),
            distributions=self.space.distributions(),
            values=None if failed else [line[name] for name in OBJECTIVES],
            state=optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE,
            system_attrs=line.get("system_attrs", {}),
        )


def proposer_of_run(run: str, bench: Bench, graph: Graph) -> Proposer:
    """A run's sampler; a `-cold` one knows how layers hang together, not what they harm or save."""
    name, _, seed = run.partition("@")
    sampler = name.removesuffix("+warm").removesuffix("-cold")
    return Proposer(
        bench.space,
        directions=[optuna.study.StudyDirection[direction.upper()] for direction in directions_of(OBJECTIVES)],
        sampler={"ours": "auto", LISTED: "random"}.get(sampler, sampler),
        seed=int(seed or bench.seed),
        graph=replace(graph, effects=()) if "-cold" in name else graph,
    )


def main() -> None:
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec = load_study_file(arguments.study, arguments.set)
    scorer = scorer_of_spec(spec)
    check_runs(scorer)
    space = space_of_spec(spec, scorer.layers)
    scorer = replace(scorer, unit_ms=scorer.reference_ms())
    recording = Recording.opened(arguments.out)
    warm, listed = (_candidates(path, space) for path in (arguments.warm, arguments.listed))
    bench = Bench(scorer, space, spec.search.seed, recording, warm, listed)
    graph = graph_of_study(scorer, space, OBJECTIVES)
    bench.describe(graph)
    bench.measure_baselines()
    first = len(recording.of_run(BASELINE))
    asked = [(run, proposer_of_run(run, bench, graph)) for run in arguments.runs]
    for number in range(arguments.trials - first):
        for run, proposer in asked:
            if len(recording.of_run(run)) <= number:
                bench.measure_next(run, proposer)


def _candidates(path: Path | None, space: Space) -> list[Candidate]:
    """Of a JSON file: a list of objects with `calibration`, as METHOD:SIZE, and `mask`, a word."""
    read = json.loads(path.read_text(encoding="utf-8")) if path else []
    return [candidate_of_line(each, space) for each in read]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the study file's value")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=40, help="of each run, baselines included")
    parser.add_argument("--runs", nargs="+", default=list(RUNS), help="SAMPLER[-cold][+warm][@SEED]; or 'listed'")
    parser.add_argument("--warm", type=Path, help="JSON file of candidates that the warm runs try first")
    parser.add_argument("--listed", type=Path, help="JSON file of candidates that the run 'listed' tries")
    return parser.parse_args()


if __name__ == "__main__":
    main()
