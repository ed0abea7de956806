"""Our own sampler: learns what each layer and each border does to all objectives, and tries what should push the front.

For every trial, from all trials so far:

1. `beliefs`: a Bayesian linear model of each objective over layers, borders and other choices.
2. `proposals`: what the model would choose, then rows near the front and near the best of those, a few times over.
3. `improvement`: of all these, the row with the greatest expected hypervolume improvement that nobody has tried.
"""

from __future__ import annotations

import copy
import secrets
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial
from threadpoolctl import threadpool_limits

from ..front import front_of
from .beliefs import beliefs_from_trials
from .encoding import Encoding, Graph, Rows, values_of_distribution
from .history import History, Observer
from .improvement import expected_improvement
from .proposals import neighbours, sweep

Floats = NDArray[np.float64]

DRAWS = 16  # models that are swept: the expected one, and draws
ROUNDS = 3  # of moves around the best rows
BASES = 8  # rows that a round moves from
MARGIN = 0.1  # of the front's span, by which the worst corner lies beyond its ends
SMALL = 4096  # a space with no more rows is proposed from whole
LAST_TRIES = 1000  # random rows, should every other one have been tried

_one_at_a_time = threading.Lock()  # a thread must see what the others have just proposed


class ParetoSampler(BaseSampler):
    """An Optuna sampler for switches on a graph, one objective or more.

    Parameters with at most 64 values are searched together; others are drawn at random. Only trials whose parameters
    lie in the search space teach; those that failed or hold a value that is not finite are only not repeated, and so
    are pruned ones of which `partial` tells nothing. Running trials count as measured at what is expected of them. A
    parameter set is repeated only when the space is used up, or, in one of more than `SMALL` sets, when thousands of
    candidates hold nothing new. With one seed and one history the proposal is the same, in whatever process.

    Args:
        space: what is searched; what all complete trials have in common if None, so that the first one is random.
        graph: what is known of the switches beforehand.
        reference: the worst corner of the hypervolume, in the objectives' own units; a little beyond the ends of the
            front if None.
        key: tells which parameter sets make the same thing: equal keys are tried once. Called once for each trial and
            a few times more, with the parameters of the space. None: the parameters themselves.
        seed: None for one by chance.
    """

    def __init__(
        self,
        *,
        space: Mapping[str, BaseDistribution] | None = None,
        graph: Graph | None = None,
        reference: Sequence[float] | None = None,
        key: Callable[[dict[str, Any]], Hashable] | None = None,
        partial: Observer | None = None,
        seed: int | None = None,
    ) -> None:
        self._space, self._graph, self._reference, self._key = space, graph or Graph(), reference, key
        self._partial = partial
        self._seed = secrets.randbits(64) if seed is None else seed
        self._independent = RandomSampler(seed=seed)
        self._proposed: dict[tuple[str, int], dict[str, Any]] = {}  # (study, trial) -> not yet seen in the study

    def reseed_rng(self) -> None:
        self._seed = secrets.randbits(64)
        self._independent.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        del trial
        if self._space is not None:
            return dict(self._space)
        common = intersection_search_space(study.get_trials(deepcopy=False))
        return {name: one for name, one in common.items() if values_of_distribution(one) is not None}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        encoding = Encoding(search_space, self._graph)
        chosen: dict[str, Any] = {}
        if encoding.names:
            # matrices of some hundred rows: threads of BLAS cost more than they save, the more cores the more
            with _one_at_a_time, threadpool_limits(limits=1, user_api="blas"):
                chosen = self._proposal(study, encoding, trial.number)
                self._proposed[study.study_name, trial.number] = chosen
        return chosen | {
            name: self.sample_independent(study, trial, name, one)
            for name, one in search_space.items()
            if name not in chosen
        }

    def _proposal(self, study: Study, encoding: Encoding, number: int) -> dict[str, Any]:
        def key(row: tuple[int, ...]) -> Hashable:
            return row if self._key is None else self._key(encoding.params(row))

        signs = np.array([1.0 if way == StudyDirection.MINIMIZE else -1.0 for way in study.directions])
        history = History.from_trials(self._trials(study, number), encoding, key, signs, partial=self._partial)
        rng = np.random.default_rng([self._seed, len(history.tried)])
        ranked = (tuple(row.tolist()) for rows in self._ranked(encoding, history, signs, rng) for row in rows)
        untried = (row for row in ranked if key(row) not in history.tried)
        used_up = encoding.random_rows(1, rng)[0]
        return encoding.params(next(untried, used_up))

    def _trials(self, study: Study, number: int) -> Iterator[FrozenTrial]:
        """All other trials; those that have begun but not yet written their parameters have the proposed ones."""
        for trial in study.get_trials(deepcopy=False):
            mine = (study.study_name, trial.number)
            if trial.state.is_finished():
                self._proposed.pop(mine, None)
            if trial.number == number:
                continue
            if mine in self._proposed:
                begun = copy.copy(trial)
                begun.params = self._proposed[mine] | trial.params
                yield begun
            else:
                yield trial

    def _ranked(self, encoding: Encoding, history: History, signs: Floats, rng: np.random.Generator) -> Iterator[Rows]:
        """Rows, the best to try next first; then, should all those have been tried, random ones or all there are."""
        if len(history.measured) or self._graph.effects:
            yield self._best(encoding, history, signs, rng)
        else:
            yield encoding.extreme_rows(rng)
        yield encoding.random_rows(LAST_TRIES, rng)
        if encoding.count <= SMALL:
            yield encoding.all_rows()

    def _best(self, encoding: Encoding, history: History, signs: Floats, rng: np.random.Generator) -> Rows:
        """Rows by falling expected improvement; none that was measured or runs."""
        rows, values, doubts = history.observations
        learned = beliefs_from_trials(encoding, rows, values, signs, doubts=doubts)
        beliefs, known = learned.assuming(history.running), history.known
        points = beliefs.predict(known)[0]
        swept = sweep(encoding, beliefs.draw(DRAWS, rng), rng)
        corner = self._corner(points, beliefs.predict(swept)[0], signs)
        bases = rng.permutation(known[front_of(points)])[:BASES]
        seen = {row.tobytes() for row in known}
        rows, gains, pool = swept[:0], np.empty(0), swept
        for _ in range(ROUNDS):
            pool = _unseen(np.vstack([pool, neighbours(encoding, bases, rng)]), seen)
            gain = expected_improvement(*beliefs.predict(pool), points, corner, rng=rng)
            order = np.argsort(-np.append(gains, gain), kind="stable")
            rows, gains = np.vstack([rows, pool])[order], np.append(gains, gain)[order]
            bases, pool = rows[:BASES], swept[:0]
        return rows

    def _corner(self, points: Floats, reachable: Floats, signs: Floats) -> Floats:
        """(m,) the worst corner: the reference, or a little beyond the ends of the front, measured or reachable."""
        if self._reference is not None:
            return np.asarray(self._reference, dtype=np.float64) * signs
        both = np.vstack([points, reachable])
        front = both[front_of(both)]
        worst: Floats = front.max(axis=0) + MARGIN * np.maximum(np.ptp(front, axis=0), 0.1 * both.std(axis=0))
        return worst


def _unseen(rows: Rows, seen: set[bytes]) -> Rows:
    """Those not seen before, which are seen now."""
    words = [row.tobytes() for row in rows]
    first = {word: i for i, word in reversed(list(enumerate(words))) if word not in seen}
    seen.update(first)
    return rows[sorted(first.values())]
