from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from qpareto.search.samplers import Proposal, Proposer
from qpareto.search.samplers.history import Observation
from qpareto.search.study_file.spec import SAMPLERS
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.layers import Layer
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.space import Space, space_of_layers

LAYERS = [Layer(name=f"/model.{i}/Conv", op="Conv", block=f"model.{i}", macs=1, weights=1) for i in range(12)]


@pytest.fixture
def space() -> Space:
    return space_of_layers(LAYERS, methods=["max", "entropy"], sizes=[8, 16])


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(directions=["maximize", "minimize"])


def _run(study: optuna.Study, space: Space, sampler: str, trials: int, **more: Any) -> list[str]:
    """A study of a made-up objective; returns the words of its masks."""
    proposer = Proposer(space, directions=study.directions, sampler=sampler, seed=1, **more)
    words = []
    for _ in range(trials):
        proposal = proposer.propose(study.trials)
        study.add_trial(_trial(space, proposal))
        words.append(space.candidate(proposal.params).mask.word)
    return words


def _trial(space: Space, proposal: Proposal, *, state: TrialState = TrialState.COMPLETE) -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(
        state=state,
        params=proposal.params,
        distributions=space.distributions(),
        values=_values(space, proposal) if state == TrialState.COMPLETE else None,
        system_attrs=proposal.system_attrs,
    )


def _values(space: Space, proposal: Proposal) -> list[float]:
    """Every layer saves time, and costs the more the earlier it stands."""
    mask = space.candidate(proposal.params).mask
    return [-sum(1 / (1 + mask.layers.index(name)) for name in mask), 12.0 - len(mask)]


def test_what_is_left_to_others_is_what_they_would_begin(study: optuna.Study, space: Space) -> None:
    first = _first(space, [1, 2])
    alone = _run(study, space, "random", 5, first=first)
    proposer = Proposer(space, directions=study.directions, sampler="random", seed=1, first=first)
    together = [space.candidate(proposer.propose([], ahead=ahead).params).mask.word for ahead in range(2)]
    assert together == alone[:2]
    begun = study.trials[:2]
    assert [space.candidate(proposer.propose(begun, ahead=i).params).mask.word for i in range(3)] == alone[2:]


@pytest.mark.parametrize("sampler", [*SAMPLERS, "optuna.samplers.QMCSampler"])
def test_a_layer_that_cannot_be_int8_is_never_proposed_so_and_the_others_are(
    study: optuna.Study, space: Space, sampler: str
) -> None:
    missing = {LAYERS[3].name}
    proposer = Proposer(space, directions=study.directions, sampler=sampler, seed=1, first=_first(space, [4095, 8]))
    candidates = []
    for _ in range(12):
        proposal = proposer.propose(study.trials, floats=missing)
        study.add_trial(_trial(space, proposal))
        candidates.append(space.candidate(proposal.params))
    assert len(set(candidates)) == len(candidates)
    assert {name for each in candidates for name in each.mask} == {layer.name for layer in LAYERS} - missing


def test_a_switch_of_several_layers_stays_free_while_one_of_them_can_be_int8(study: optuna.Study) -> None:
    pair = [Layer(name=name, op="Conv", block="model.0", macs=1, weights=1) for name in ("/model.0/a", "/model.0/b")]
    space = space_of_layers([*LAYERS[1:], *pair], methods=["max"], sizes=[8], groups="block")
    proposer = Proposer(space, directions=study.directions, sampler="random", seed=1)
    asked = [proposer.propose([], ahead=i, floats={"/model.0/a"}).params for i in range(12)]
    assert any("/model.0/b" in space.candidate(params).mask for params in asked)
    asked = [proposer.propose([], ahead=i, floats={"/model.0/a", "/model.0/b"}).params for i in range(12)]
    assert not any("/model.0/b" in space.candidate(params).mask for params in asked)


def _first(space: Space, bits: Sequence[int]) -> list[dict[str, Any]]:
    masks = [LayerMask.from_word(space.layers, f"{each:03x}") for each in bits]
    return [space.params(Candidate(space.calibrations[0], mask)) for mask in masks]


@pytest.mark.parametrize("sampler", [*SAMPLERS, "optuna.samplers.QMCSampler"])
def test_every_sampler_proposes_candidates_of_the_space(study: optuna.Study, space: Space, sampler: str) -> None:
    words = _run(study, space, sampler, 15)
    assert len(set(words)) > 5
    assert all(space.accepts(space.candidate(trial.params)) for trial in study.trials)


@pytest.mark.parametrize("sampler", [*SAMPLERS, "optuna.samplers.QMCSampler"])
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


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_comes_first_is_proposed_first_once_and_as_the_samplers_own(
    study: optuna.Study, space: Space, sampler: str
) -> None:
    first = _first(space, [7, 1, 7, 56])
    study.add_trial(optuna.trial.create_trial(params=first[1], distributions=space.distributions(), values=[0.0, 0.0]))
    assert _run(study, space, sampler, 1, first=first) == ["007"]
    words = _run(study, space, sampler, 3, first=first)  # another process, later
    assert words[0] == "038"
    assert not {"007", "001", "038"} & set(words[1:])


@pytest.mark.parametrize("sampler", ["nsga2", "nsga3"])
def test_genetic_samplers_take_what_came_first_as_parents(study: optuna.Study, space: Space, sampler: str) -> None:
    options = {"population_size": 4, "mutation_prob": 0.0}
    first = _first(space, [0x0F, 0xF0, 0x33, 0xCC])
    words = _run(study, space, sampler, 8, options=options, first=first)
    assert words[:4] == ["00f", "0f0", "033", "0cc"]
    assert all(word.startswith("0") for word in words[4:])  # of these parents' layers; random masks have others


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_two_workers_do_not_propose_the_same(study: optuna.Study, space: Space, sampler: str) -> None:
    first = _first(space, [3, 12])
    workers = [Proposer(space, directions=study.directions, sampler=sampler, seed=1, first=first) for _ in range(2)]
    proposed: list[Proposal] = []
    for turn in range(12):  # each trial ends while the next one runs
        if turn >= 2:
            study.tell(turn - 2, _values(space, proposed[turn - 2]))
        proposed.append(workers[turn % 2].propose(study.trials))
        study.add_trial(_trial(space, proposed[-1], state=TrialState.RUNNING))
    assert len({str(space.candidate(each.params)) for each in proposed}) == 12


def test_ours_learns_what_to_expect_from_what_runs_elsewhere(study: optuna.Study, space: Space) -> None:
    _run(study, space, "auto", 6)
    proposer = Proposer(space, directions=study.directions, sampler="auto", seed=1)
    one = proposer.propose(study.trials)
    study.add_trial(_trial(space, one, state=TrialState.RUNNING))
    beside_running = proposer.propose(study.trials)
    study.add_trial(_trial(space, beside_running, state=TrialState.RUNNING))
    while_both_run = Proposer(space, directions=study.directions, sampler="auto", seed=1).propose(study.trials)
    study.tell(6, _values(space, one))
    study.tell(7, state=TrialState.FAIL)
    after_both = Proposer(space, directions=study.directions, sampler="auto", seed=1).propose(study.trials)
    assert len({str(space.candidate(each.params)) for each in (one, beside_running, while_both_run, after_both)}) == 4
    assert proposer.propose(study.trials) == after_both  # whoever saw them run sees that they ended
