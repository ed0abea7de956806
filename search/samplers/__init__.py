"""The door to samplers: whole candidates proposed in memory by any Optuna sampler."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...spaces.space import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

    from .encoding import Graph
    from .history import Observer

__all__ = ["Proposal", "Proposer", "sampler_of_name"]


def sampler_of_name(name: str, *, seed: int) -> BaseSampler:
    """A fresh sampler of Optuna's own: `tpe`, `nsga2` or `random`."""
    import optuna

    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


ASKS = 20  # for one proposal


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a sampler suggests to try next, and what it wants remembered with the trial (NSGA-II's generation)."""

    params: dict[str, Any]
    system_attrs: dict[str, Any]


class Proposer:
    """Asks a sampler on a mirror of the study in memory.

    In memory, since a sampler asked on the study itself writes every parameter to the storage in a transaction of
    its own. Each proposal comes from a fresh sampler seeded by (seed, number of trials so far): a run that was
    interrupted goes on as if it had not been.

    Args:
        directions: Optuna's, one an objective.
        sampler: a name that `sampler_of_name` knows, or `auto` for our own (pareto.py).
        graph: what our own sampler knows beforehand.
        partial: what it learns from a pruned trial.
    """

    def __init__(
        self,
        space: Space,
        *,
        directions: Sequence[StudyDirection],
        sampler: str,
        seed: int,
        graph: Graph | None = None,
        partial: Observer | None = None,
    ) -> None:
        import optuna

        self._space, self._distributions, self._graph = space, space.distributions(), graph
        self._sampler, self._seed, self._partial = sampler, seed, partial
        self._mirror = optuna.create_study(directions=list(directions))
        self._mirrored: set[int] = set()

    def propose(self, trials: Sequence[FrozenTrial]) -> Proposal:
        """Suggest the next candidate: one that no trial has tried, unless the sampler finds none in `ASKS` asks.

        A sampler that comes back to what was measured already is asked again, then gives way to a random one.

        Args:
            trials: all trials of the study, in any state.
        """
        self._mirror_finished(trials)
        tried = {self._essence(trial.params) for trial in trials if self._is_inside(trial)}
        for attempt in range(ASKS):
            seed = random.Random(f"{self._seed}:{len(trials)}:{attempt}").getrandbits(32)
            proposal = self._asked(self._sampler if attempt < ASKS // 2 else "random", seed)
            if self._essence(proposal.params) not in tried:
                break
        return proposal

    def _essence(self, params: Mapping[str, Any]) -> tuple[str, str]:
        """What decides a candidate's engine: its mask, and its calibration unless the mask is empty."""
        candidate = self._space.candidate(params)
        return candidate.mask.word, str(candidate.calibration) if candidate.mask else ""

    def _asked(self, sampler: str, seed: int) -> Proposal:
        import optuna

        self._mirror.sampler = self._fresh(sampler, seed)
        trial = self._mirror.ask(self._distributions)
        asked = self._mirror.get_trials(deepcopy=False)[trial.number]
        self._mirror.tell(trial, state=optuna.trial.TrialState.FAIL)  # the real trial takes its place when it ends
        return Proposal(params=dict(asked.params), system_attrs=dict(asked.system_attrs))

    def _fresh(self, sampler: str, seed: int) -> BaseSampler:
        if sampler != "auto":
            return sampler_of_name(sampler, seed=seed)
        from .pareto import ParetoSampler

        return ParetoSampler(
            space=self._distributions, graph=self._graph, key=self._essence, partial=self._partial, seed=seed
        )

    def _mirror_finished(self, trials: Sequence[FrozenTrial]) -> None:
        """Copy trials that ended since the last call; those outside the space (some baselines) teach nothing."""
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._mirrored and self._is_inside(trial):
                self._mirror.add_trial(trial)
                self._mirrored.add(trial.number)

    def _is_inside(self, trial: FrozenTrial) -> bool:
        return trial.params.keys() == self._distributions.keys()
