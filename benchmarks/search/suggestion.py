"""How long our sampler takes for one suggestion, and how much memory, with many layers and many trials.

    python benchmarks/search/suggestion.py

The trials are in memory, as they are for a search: reading them is the storage's business (benchmarks/storage.py).
"""

from __future__ import annotations

import itertools
import time
import tracemalloc

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from qpareto.search.samplers.encoding import Graph
from qpareto.search.samplers.pareto import ParetoSampler

SWITCH = CategoricalDistribution(("float", "int8"))
REPEATS = 7


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print("| layers | trials | count | median, s | 10 % to 90 %, s | peak memory, MiB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for layers, trials in ((90, 50), (90, 500), (250, 500), (250, 5000)):
        study, sampler, space = _study(layers, trials)
        seconds = [_suggest(study, sampler, space)[0] for _ in range(REPEATS)]
        tracemalloc.start()
        _suggest(study, sampler, space)
        peak_mib = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        low, median, high = np.percentile(seconds, [10, 50, 90])
        print(
            f"| {layers} | {trials} | {REPEATS} | {median:.3g} | {low:.3g} to {high:.3g} | {peak_mib:.0f} |", flush=True
        )


def _study(
    layers: int, trials: int
) -> tuple[optuna.Study, ParetoSampler, dict[str, optuna.distributions.BaseDistribution]]:
    """A study of random masks: each layer saves the same time, and costs the less the later it stands."""
    names = tuple(f"{i:03d}" for i in range(layers))
    space: dict[str, optuna.distributions.BaseDistribution] = dict.fromkeys(names, SWITCH)
    study, rng = optuna.create_study(directions=["maximize", "minimize"]), np.random.default_rng(0)
    for _ in range(trials):
        on = rng.integers(0, 2, layers)
        params = {name: SWITCH.choices[i] for name, i in zip(names, on.tolist(), strict=True)}
        values = [-float((on / (1 + np.arange(layers))).sum()), layers - float(on.sum())]
        study.add_trial(create_trial(params=params, distributions=space, values=values))
    graph = Graph(switches=names, edges=tuple(itertools.pairwise(names)))
    return study, ParetoSampler(space=space, graph=graph, seed=0), space


def _suggest(
    study: optuna.Study, sampler: ParetoSampler, space: dict[str, optuna.distributions.BaseDistribution]
) -> tuple[float, dict[str, object]]:
    trial = create_trial(state=TrialState.RUNNING)
    trial.number = len(study.trials)
    start = time.perf_counter()
    chosen = sampler.sample_relative(study, trial, space)
    return time.perf_counter() - start, chosen


if __name__ == "__main__":
    main()
