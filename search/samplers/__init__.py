"""The door to samplers: whole candidates proposed in memory by any Optuna sampler."""

from __future__ import annotations

import random
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...spaces.precision import FLOAT
from ...spaces.space import Space
from .stock import sampler_of_name

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

    from .encoding import Graph
    from .history import Observer

__all__ = ["Proposal", "Proposer", "held_to"]


ASKS = 20  # for one proposal


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a sampler suggests to try next, and what it wants remembered with the trial (NSGA-II's generation)."""

    params: dict[str, Any]
    system_attrs: dict[str, Any]


class Proposer:
    """Asks a sampler on a mirror of the study in memory.

    Each proposal comes from a fresh sampler, seeded by the seed and how many candidates were tried so far: a run that
    was interrupted goes on as if it had not been, and a sampler that looks at no results proposes the same to one
    worker as to several. What a sampler keeps in itself from one proposal to the next is lost.

    Args:
        directions: Optuna's, one an objective.
        sampler: what `sampler_of_name` knows, with its options; or `auto` for our own (pareto.py).
        first: parameters to propose before the sampler's own, those that were tried left out. The sampler is asked for
            them all the same, so that it counts them as its own: NSGA-II takes them as parents.
        graph: what our own sampler knows beforehand.
        partial: what it learns from a pruned trial.
    """

    def __init__(  # noqa: PLR0913 - all but the space by name
        self,
        space: Space,
        *,
        directions: Sequence[StudyDirection],
        sampler: str,
        seed: int,
        options: Mapping[str, Any] | None = None,
        first: Sequence[Mapping[str, Any]] = (),
        graph: Graph | None = None,
        partial: Observer | None = None,
    ) -> None:
        from .mirror import Mirror

        self._space, self._distributions, self._graph = space, space.distributions(), graph
        self._sampler, self._options, self._first = sampler, options or {}, tuple(first)
        self._seed, self._partial = seed, partial
        self._mirror = Mirror(directions)

    def propose(
        self, trials: Sequence[FrozenTrial], *, ahead: int = 0, floats: Collection[str] = frozenset()
    ) -> Proposal:
        """Suggest the next candidate: one that no trial has tried, unless the sampler finds none in `ASKS` asks.

        A sampler that comes back to what was measured already is asked again, then gives way to a random one.

        Args:
            trials: all trials of the study, in any state.
            ahead: how many candidates other workers are about to begin, which are left to them.
            floats: layers that cannot be INT8: a switch that turns only such ones is never proposed on.
        """
        off = {group: FLOAT.name for group, names in self._space.groups.items() if set(names) <= set(floats)}
        inside = [trial for trial in trials if trial.params.keys() == self._distributions.keys()]
        self._mirror.follow(inside)  # the others (some baselines) teach nothing
        tried = {self._essence(trial.params) for trial in inside}
        untried = [params for params in self._first if self._essence({**params, **off}) not in tried]
        first = untried[ahead] if ahead < len(untried) else None
        for attempt in range(ASKS):
            own = attempt < ASKS // 2
            seen = len(tried) + ahead if own else len(trials)  # in a space that is used up, chance repeats
            seed = random.Random(f"{self._seed}:{seen}:{attempt}").getrandbits(32)
            sampler = self._fresh(seed, off) if own else sampler_of_name("random", seed=seed)
            held = {**(first or {}), **off}
            asked = self._mirror.ask(held_to(sampler, held) if held else sampler, self._distributions)
            if self._essence(asked.params) not in tried:
                break
        return Proposal(params=dict(asked.params), system_attrs=dict(asked.system_attrs))

    def _essence(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """What decides a candidate's engine: its switches, and its calibration unless they are all off."""
        switches = tuple(params[group] for group in self._space.groups)
        off = all(switch == FLOAT.name for switch in switches)
        return switches if off else (*switches, params["calibration.method"], params["calibration.size"])

    def _fresh(self, seed: int, off: Mapping[str, str]) -> BaseSampler:
        if self._sampler != "auto":
            return sampler_of_name(self._sampler, seed=seed, options=self._options)
        from .pareto import ParetoSampler

        return ParetoSampler(
            space=self._distributions,
            graph=self._graph,
            key=lambda params: self._essence({**params, **off}),
            partial=self._partial,
            seed=seed,
        )


def held_to(sampler: BaseSampler, params: Mapping[str, Any]) -> BaseSampler:
    """The sampler, held to these parameters."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import PartialFixedSampler

    with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
        return PartialFixedSampler(dict(params), sampler)
