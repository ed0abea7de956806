from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from qpareto.search.samplers import Proposer
from qpareto.search.samplers.history import Observation
from qpareto.spaces.layers import Layer
from qpareto.spaces.space import Space, space_of_layers

LAYERS = [Layer(name=f"/model.{i}/Conv", op="Conv", block=f"model.{i}", macs=1, weights=1) for i in range(12)]


@pytest.fixture
def space() -> Space:
    return space_of_layers(LAYERS, methods=["max", "entropy"], sizes=[8, 16])


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(directions=["maximize", "minimize"])


def _run(study: optuna.Study, space: Space, sampler: str, trials: int) -> list[str]:
    """A study of a made-up objective: every layer saves time, and costs the more the earlier it stands."""
    proposer = Proposer(space, directions=study.directions, sampler=sampler, seed=1)
    words = []
    for _ in range(trials):
        proposal = proposer.propose(study.trials)
        mask = space.candidate(proposal.params).mask
        words.append(mask.word)
        loss = sum(1 / (1 + mask.layers.index(name)) for name in mask)
        study.add_trial(
            optuna.trial.create_trial(
                params=proposal.params,
                distributions=space.distributions(),
                values=[-loss, 12 - len(mask)],
                system_attrs=proposal.system_attrs,
            )
        )
    return words


@pytest.mark.parametrize("sampler", ["auto", "tpe", "nsga2", "random"])
def test_every_sampler_proposes_candidates_of_the_space(study: optuna.Study, space: Space, sampler: str) -> None:
    words = _run(study, space, sampler, 15)
    assert len(set(words)) > 5
    assert all(space.accepts(space.candidate(trial.params)) for trial in study.trials)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_a_run_that_was_interrupted_proposes_what_it_would_have(space: Space, sampler: str) -> None:
    whole = optuna.create_study(directions=["maximize", "minimize"])
    broken = optuna.create_study(directions=["maximize", "minimize"])
    expected = _run(whole, space, sampler, 16)
    assert _run(broken, space, sampler, 9) + _run(broken, space, sampler, 7) == expected


def test_failed_trials_and_those_outside_the_space_teach_nothing(study: optuna.Study, space: Space) -> None:
    clean = Proposer(space, directions=study.directions, sampler="random", seed=0).propose([])
    assert clean.params.keys() == space.distributions().keys()
    study.add_trial(
        optuna.trial.create_trial(state=TrialState.FAIL, params=clean.params, distributions=space.distributions())
    )
    study.add_trial(optuna.trial.create_trial(values=[1.0, 1.0]))
    proposal = Proposer(space, directions=study.directions, sampler="tpe", seed=0).propose(study.trials)
    assert space.accepts(space.candidate(proposal.params))


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_what_was_tried_is_not_proposed_again_while_there_is_something_new(sampler: str) -> None:
    small = space_of_layers(LAYERS[:3], methods=["max"], sizes=[8])  # eight masks
    study = optuna.create_study(directions=["maximize", "minimize"])
    assert len(set(_run(study, small, sampler, 8))) >= 7
    assert len(_run(study, small, sampler, 2)) == 2  # a space that is used up repeats itself, and ends


def test_the_empty_mask_is_tried_once_whatever_its_calibration(study: optuna.Study) -> None:
    one = space_of_layers(LAYERS[:1], methods=["max", "entropy"], sizes=[8, 16])
    words = _run(study, one, "random", 5)
    assert words.count("0") == 1


@pytest.mark.parametrize("sampler", ["auto", "tpe", "nsga2", "random"])
def test_pruned_trials_do_no_harm_to_any_sampler_and_teach_ours(
    study: optuna.Study, space: Space, sampler: str
) -> None:
    _run(study, space, sampler, 4)
    learned_from: list[int] = []

    def partial(trial: optuna.trial.FrozenTrial) -> Observation:
        learned_from.append(trial.number)
        return Observation(values=(-3.0, 6.0), deviations=(0.5, 0.5))

    proposer = Proposer(space, directions=study.directions, sampler=sampler, seed=1, partial=partial)
    for _ in range(6):
        params = proposer.propose(study.trials).params
        assert params not in [trial.params for trial in study.trials]
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.PRUNED, params=params, distributions=space.distributions(), user_attrs={"seen": 1}
            )
        )
    assert bool(learned_from) == (sampler == "auto")
