"""Samplers side by side on a problem whose answers cost nothing: hypervolume against trials, medians over seeds.

    python benchmarks/search/replay.py [--seeds 5] [--trials 400] [--samplers random tpe+warm ours+prior+warm16 ...]
    python benchmarks/search/replay.py --recording recorded/yolo11n-coco-cpu.jsonl --out runs.jsonl ...

Without a recording each seed is a made-up problem of its own; with one, all are searches of the same problem, which
was learned from the recording. Hypervolumes are those of the true values of what was tried, noise apart, in shares of
the best that any sampler reached on that problem. With `--out` finished runs are kept and not run again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from qpareto.search.front import hypervolume, losses
from qpareto.search.samplers import held_to
from qpareto.search.samplers.encoding import Graph
from qpareto.search.samplers.pareto import ParetoSampler
from qpareto.search.samplers.warmstart import Expectation, candidates_of_masks, predicted_front
from qpareto.search.study_file.spec import WARM_START
from qpareto.spaces.space import Space
from recorded import RecordedProblem
from recording import Recording, read_lines, write_lines
from synthetic import SyntheticProblem

MARKS = (20, 40, 100, 200, 400)  # trials


class Problem(Protocol):
    """What stands in for model, data and device."""

    @property
    def directions(self) -> tuple[Literal["maximize", "minimize"], ...]: ...

    @property
    def reference(self) -> tuple[float, ...]:
        """The worst corner, in the objectives' own units."""

    @property
    def layers(self) -> tuple[str, ...]: ...

    @property
    def edges(self) -> tuple[tuple[str, str], ...]: ...

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]: ...

    @property
    def effects(self) -> tuple[Mapping[str, float], ...]:
        """What is known of each objective beforehand; see `Graph`."""

    @property
    def border_cost(self) -> float | None:
        """What is known of a border's cost beforehand, for the warm start."""

    @property
    def space(self) -> Space: ...

    def distributions(self) -> dict[str, BaseDistribution]: ...

    def truth(self, params: Mapping[str, Any]) -> tuple[float, ...]:
        """Objectives without noise."""

    def evaluate(self, params: Mapping[str, Any], rng: np.random.Generator) -> tuple[float, ...]:
        """Objectives as a trial would measure them."""


def _ours(problem: Problem, seed: int, *, known: bool) -> ParetoSampler:
    graph = Graph(
        switches=problem.layers,
        edges=problem.edges,
        blocks=problem.blocks,
        effects=problem.effects if known else (),
    )
    return ParetoSampler(space=problem.distributions(), graph=graph, seed=seed)


SAMPLERS: dict[str, Callable[[Problem, int], BaseSampler]] = {
    "random": lambda problem, seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda problem, seed: optuna.samplers.TPESampler(seed=seed),
    "nsga2": lambda problem, seed: optuna.samplers.NSGAIISampler(seed=seed),
    "ours": lambda problem, seed: _ours(problem, seed, known=False),
    "ours+prior": lambda problem, seed: _ours(problem, seed, known=True),
}
WARM = "+warm"  # behind a sampler's name: it begins with masks of the predicted front; a number may follow, how many


@dataclass(frozen=True)
class Run:
    """One sampler on one problem.

    Args:
        problem: runs of one problem compare with each other.
        volumes: hypervolume after each number of trials.
        seconds: median time of a suggestion.
    """

    problem: str
    sampler: str
    seed: int
    volumes: Mapping[int, float]
    seconds: float


def replay(problem: Problem, name: str, sampler: str, seed: int, trials: int) -> Run:
    """Let a sampler search a problem of that name."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    stock, warm, count = sampler.partition(WARM)
    first = _first(problem, int(count or WARM_START)) if warm else []
    study = optuna.create_study(directions=problem.directions, sampler=SAMPLERS[stock](problem, seed))
    own = study.sampler
    space, rng = problem.distributions(), np.random.default_rng([seed, len(sampler)])
    corner = losses([problem.reference], problem.directions)[0]
    truths: list[tuple[float, ...]] = []
    seconds, volumes = [], {}
    for number in range(1, trials + 1):
        study.sampler = held_to(own, first[number - 1]) if number <= len(first) else own
        start = time.perf_counter()
        trial = study.ask(space)
        seconds.append(time.perf_counter() - start)
        truths.append(problem.truth(trial.params))
        study.tell(trial, problem.evaluate(trial.params, rng))
        if number in MARKS:
            volumes[number] = hypervolume(losses(truths, problem.directions), corner)
    return Run(name, sampler, seed, volumes, float(np.median(seconds)))


def _first(problem: Problem, count: int) -> list[dict[str, Any]]:
    """Parameters of the predicted front, as a study begins with them."""
    graph = Graph(switches=problem.layers, edges=problem.edges, effects=problem.effects)
    expected = Expectation.from_graph(graph, accuracy=0, latency=1, border_cost=problem.border_cost)
    found = candidates_of_masks(problem.space, predicted_front(expected, count))
    return [problem.space.params(candidate) for candidate in found]


def print_runs(runs: Sequence[Run]) -> None:
    """One row a sampler: median share of the best known hypervolume, and 10th to 90th percentile, by trials."""
    best: dict[str, float] = {}
    for run in runs:
        best[run.problem] = max(best.get(run.problem, 0.0), *run.volumes.values())
    marks = [mark for mark in MARKS if all(mark in run.volumes for run in runs)]
    print(f"| sampler | {' | '.join(f'{mark} trials' for mark in marks)} | suggestion, s |")
    print(f"| --- |{' ---: |' * (len(marks) + 1)}")
    for sampler in dict.fromkeys(run.sampler for run in runs):
        mine = [run for run in runs if run.sampler == sampler]
        cells = []
        for mark in marks:
            low, median, high = np.percentile([run.volumes[mark] / best[run.problem] for run in mine], [10, 50, 90])
            cells.append(f"{median:.3f} ({low:.3f} to {high:.3f})")
        print(f"| {sampler} | {' | '.join(cells)} | {np.median([run.seconds for run in mine]):.3f} |")


def _replayed(wanted: tuple[Path | None, str, int, int]) -> Run:
    recording, sampler, seed, trials = wanted
    problem = _problem(recording) if recording else SyntheticProblem(seed)
    return replay(problem, recording.name if recording else str(seed), sampler, seed, trials)


@cache
def _problem(recording: Path) -> RecordedProblem:
    return RecordedProblem(Recording.opened(recording))


def _kept(path: Path | None) -> list[Run]:
    """The finished runs of an earlier call."""
    found = read_lines(path) if path else []
    return [Run(**{**run, "volumes": {int(mark): v for mark, v in run["volumes"].items()}}) for run in found]


def _known(arm: str) -> str:
    stock, _, count = arm.partition(WARM)
    if stock not in SAMPLERS or not (count or "1").isdecimal():
        told = ", ".join(SAMPLERS)
        raise argparse.ArgumentTypeError(f"{arm} is none of {told}, or one with {WARM} and a number or none behind it")
    return arm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--samplers", nargs="+", type=_known, default=list(SAMPLERS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="file of finished runs")
    options = parser.parse_args()
    runs = _kept(options.out)
    held = {(run.sampler, run.seed) for run in runs}
    asked = [(sampler, seed) for seed in range(options.seeds) for sampler in options.samplers]
    wanted = [(options.recording, *pair, options.trials) for pair in asked if pair not in held]
    with ProcessPoolExecutor(options.jobs) as pool:
        for run in pool.map(_replayed, wanted):
            runs.append(run)
            if options.out:
                write_lines(options.out, map(asdict, runs))
    print_runs(runs)


if __name__ == "__main__":
    main()
