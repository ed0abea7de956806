"""The door to samplers: whole candidates proposed in memory by any Optuna sampler."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...spaces.space import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

__all__ = ["Proposal", "Proposer", "sampler_of_name"]


def sampler_of_name(name: str, *, seed: int) -> BaseSampler:
    """A fresh Optuna sampler: `tpe`, `nsga2`, `random`, or `auto` for the one that does best here (TPE)."""
    import optuna

    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


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
        sampler: a name that `sampler_of_name` knows.
    """

    def __init__(self, space: Space, *, directions: Sequence[StudyDirection], sampler: str, seed: int) -> None:
        import optuna

        self._distributions = space.distributions()
        self._sampler, self._seed = sampler, seed
        self._mirror = optuna.create_study(directions=list(directions))
        self._mirrored: set[int] = set()

    def propose(self, trials: Sequence[FrozenTrial]) -> Proposal:
        """Suggest the next candidate.

        Args:
            trials: all trials of the study, in any state.
        """
        import optuna

        self._mirror_finished(trials)
        seed = random.Random(f"{self._seed}:{len(trials)}").getrandbits(32)
        self._mirror.sampler = sampler_of_name(self._sampler, seed=seed)
        trial = self._mirror.ask(self._distributions)
        asked = self._mirror.trials[trial.number]
        self._mirror.tell(trial, state=optuna.trial.TrialState.FAIL)  # the real trial takes its place when it ends
        return Proposal(params=dict(asked.params), system_attrs=dict(asked.system_attrs))

    def _mirror_finished(self, trials: Sequence[FrozenTrial]) -> None:
        """Copy trials that ended since the last call; those outside the space (some baselines) teach nothing."""
        for trial in trials:
            inside = trial.params.keys() == self._distributions.keys()
            if trial.state.is_finished() and trial.number not in self._mirrored and inside:
                self._mirror.add_trial(trial)
                self._mirrored.add(trial.number)
