"""A sampler that turns one switch of a front point, to show how little one needs."""

from __future__ import annotations

import random
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import intersection_search_space
from optuna.trial import FrozenTrial


class OneByOne(BaseSampler):
    """Takes a point of the front and gives one of its parameters another value.

    Args:
        seed: of what is drawn; `search.seed` and the number of trials decide it.
    """

    def __init__(self, *, seed: int) -> None:
        self._random = random.Random(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return intersection_search_space(study.get_trials(deepcopy=False))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        front = [point for point in study.best_trials if search_space.keys() <= point.params.keys()]
        if not front or not search_space:
            return {}  # then each parameter is asked for below
        chosen = dict(self._random.choice(front).params)
        name = self._random.choice(sorted(search_space))
        chosen[name] = self._another(search_space[name], chosen[name])
        return {key: chosen[key] for key in search_space}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._another(param_distribution, None)

    def _another(self, distribution: BaseDistribution, value: Any) -> Any:
        assert isinstance(distribution, CategoricalDistribution)  # a study of qpareto has no others
        return self._random.choice([choice for choice in distribution.choices if choice != value])
