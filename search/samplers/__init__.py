"""The door to samplers: whole candidates proposed in memory by any Optuna sampler."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

    In memory, since a sampler asked on the study itself writes every parameter to the storage in a transaction of
    its own. Each proposal comes from a fresh sampler seeded by (seed, number of trials so far): a run that was
    interrupted goes on as if it had not been. What a sampler keeps in itself from one proposal to the next is lost.

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
        import optuna

        self._space, self._distributions, self._graph = space, space.distributions(), graph
        self._sampler, self._options, self._first = sampler, options or {}, tuple(first)
        self._seed, self._partial = seed, partial
        self._mirror = optuna.create_study(directions=list(directions))
        self._mirrored: set[int] = set()  # trials that have ended
        self._running: dict[int, int] = {}  # others -> their numbers in the mirror

    def propose(self, trials: Sequence[FrozenTrial]) -> Proposal:
        """Suggest the next candidate: one that no trial has tried, unless the sampler finds none in `ASKS` asks.

        A sampler that comes back to what was measured already is asked again, then gives way to a random one.

        Args:
            trials: all trials of the study, in any state.
        """
        self._mirror_begun(trials)
        tried = {self._essence(trial.params) for trial in trials if self._is_inside(trial)}
        first = next((params for params in self._first if self._essence(params) not in tried), None)
        for attempt in range(ASKS):
            seed = random.Random(f"{self._seed}:{len(trials)}:{attempt}").getrandbits(32)
            sampler = self._fresh(seed) if attempt < ASKS // 2 else sampler_of_name("random", seed=seed)
            proposal = self._asked(sampler if first is None else held_to(sampler, first))
            if self._essence(proposal.params) not in tried:
                break
        return proposal

    def _essence(self, params: Mapping[str, Any]) -> tuple[str, str]:
        """What decides a candidate's engine: its mask, and its calibration unless the mask is empty."""
        candidate = self._space.candidate(params)
        return candidate.mask.word, str(candidate.calibration) if candidate.mask else ""

    def _asked(self, sampler: BaseSampler) -> Proposal:
        import optuna

        self._mirror.sampler = sampler
        trial = self._mirror.ask(self._distributions)
        asked = self._mirror.get_trials(deepcopy=False)[trial.number]
        self._mirror.tell(trial, state=optuna.trial.TrialState.FAIL)  # the real trial takes its place
        return Proposal(params=dict(asked.params), system_attrs=dict(asked.system_attrs))

    def _fresh(self, seed: int) -> BaseSampler:
        if self._sampler != "auto":
            return sampler_of_name(self._sampler, seed=seed, options=self._options)
        from .pareto import ParetoSampler

        return ParetoSampler(
            space=self._distributions, graph=self._graph, key=self._essence, partial=self._partial, seed=seed
        )

    def _mirror_begun(self, trials: Sequence[FrozenTrial]) -> None:
        """Copy trials that began or ended since the last call; those outside the space (some baselines) teach nothing.

        Those that run are copied too: other workers' are nobody else's to propose.
        """
        from optuna.trial import TrialState

        for trial in trials:
            known = trial.number in self._mirrored or (trial.number in self._running and not trial.state.is_finished())
            if known or not self._is_inside(trial) or trial.state == TrialState.WAITING:
                continue
            if trial.number in self._running:  # a copy with its result takes its place
                self._mirror.tell(self._running.pop(trial.number), state=TrialState.FAIL)
            if trial.state.is_finished():
                self._mirrored.add(trial.number)
            else:
                self._running[trial.number] = len(self._mirror.get_trials(deepcopy=False))
            self._mirror.add_trial(trial)

    def _is_inside(self, trial: FrozenTrial) -> bool:
        return trial.params.keys() == self._distributions.keys()


def held_to(sampler: BaseSampler, params: Mapping[str, Any]) -> BaseSampler:
    """The sampler, held to these parameters."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import PartialFixedSampler

    with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
        return PartialFixedSampler(dict(params), sampler)
