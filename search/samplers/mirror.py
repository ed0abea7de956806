"""The mirror: a study in memory with the trials of a real one, of which samplers are asked without writing a thing."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


class Mirror:
    """A sampler asked on the study itself would write every parameter to its storage, in a transaction each."""

    def __init__(self, directions: Sequence[StudyDirection]) -> None:
        self._storage = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(storage=self._storage, directions=list(directions))
        self._id = self._storage.get_study_id_from_name(self._study.study_name)
        self._ended: set[int] = set()
        self._running: dict[int, int] = {}  # others -> their numbers here
        self._distributions: dict[BaseDistribution, BaseDistribution] = {}

    def follow(self, trials: Sequence[FrozenTrial]) -> None:
        """Take over trials that began or ended since the last call.

        Those that run are taken too: what other workers measure is nobody else's to propose.
        """
        for trial in trials:
            known = trial.number in self._ended or (trial.number in self._running and not trial.state.is_finished())
            if known or trial.state == TrialState.WAITING:
                continue
            if trial.number in self._running:  # a copy with its result takes its place
                self._study.tell(self._running.pop(trial.number), state=TrialState.FAIL)
            if trial.state.is_finished():
                self._ended.add(trial.number)
            else:
                self._running[trial.number] = len(self._study.get_trials(deepcopy=False))
            self._storage.create_new_trial(self._id, template_trial=self._shared(trial))

    def ask(self, sampler: BaseSampler, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
        """The trial that a sampler would begin; it is not kept."""
        self._study.sampler = sampler
        trial = self._study.ask(dict(distributions))
        asked = self._study.get_trials(deepcopy=False)[trial.number]
        self._study.tell(trial, state=TrialState.FAIL)  # the real trial takes its place
        return asked

    def _shared(self, trial: FrozenTrial) -> FrozenTrial:
        """The trial with distributions that it shares with others, which makes it quick to copy."""
        shared = copy.copy(trial)
        known = self._distributions
        shared.distributions = {name: known.setdefault(one, one) for name, one in trial.distributions.items()}
        return shared
