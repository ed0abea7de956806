from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase, RelativeSamplerTestCase
from optuna.trial import FrozenTrial, TrialState, create_trial

from qpareto.search.front import hypervolume
from qpareto.search.samplers.encoding import Graph
from qpareto.search.samplers.history import Observation
from qpareto.search.samplers.pareto import ParetoSampler

SWITCH = CategoricalDistribution(("float", "int8"))
WAYS = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]


class TestOptunasOwnRules(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: ParetoSampler(seed=0)


def _space(layers: int, methods: int = 2) -> dict[str, BaseDistribution]:
    method = CategoricalDistribution(tuple(f"m{i}" for i in range(methods)))
    return {"method": method, **{f"{i:03d}": SWITCH for i in range(layers)}}


def _graph(layers: int) -> Graph:
    names = tuple(f"{i:03d}" for i in range(layers))
    return Graph(switches=names, edges=tuple(itertools.pairwise(names)))


def _score(params: Mapping[str, Any]) -> tuple[float, float]:
    """mAP and ms of a made-up engine: the earlier the layer, the dearer its loss; borders cost time."""
    on = np.array([params[name] == "int8" for name in sorted(params) if name != "method"])
    loss = (on / (1 + np.arange(len(on)))).sum() * (1.0 if params["method"] == "m0" else 1.4)
    return 50.0 - float(loss), len(on) - 0.8 * float(on.sum()) + 0.3 * float((on[1:] != on[:-1]).sum())


def _trial(
    params: Mapping[str, Any],
    space: Mapping[str, BaseDistribution],
    *,
    state: TrialState = TrialState.COMPLETE,
    values: tuple[float, float] | None = None,
) -> FrozenTrial:
    done = (values or _score(params)) if state == TrialState.COMPLETE else None
    return create_trial(state=state, params=dict(params), distributions=dict(space), values=done)


def _random_params(space: Mapping[str, BaseDistribution], rng: np.random.Generator) -> dict[str, Any]:
    return {
        name: one.choices[rng.integers(len(one.choices))]
        for name, one in space.items()
        if isinstance(one, CategoricalDistribution)
    }


def _study(sampler: BaseSampler) -> optuna.Study:
    return optuna.create_study(directions=WAYS, sampler=sampler)


def _run(study: optuna.Study, space: dict[str, BaseDistribution], trials: int) -> list[tuple[Any, ...]]:
    asked = []
    for _ in range(trials):
        trial = study.ask(space)
        asked.append(tuple(trial.params.values()))
        study.tell(trial, _score(trial.params))
    return asked


def test_it_finds_more_in_thirty_trials_than_random_in_two_hundred() -> None:
    space, volumes = _space(24), {}
    samplers = {200: optuna.samplers.RandomSampler(seed=0), 30: ParetoSampler(space=space, graph=_graph(24), seed=0)}
    for trials, sampler in samplers.items():
        study = _study(sampler)
        _run(study, space, trials)
        points = np.array([[-trial.values[0], trial.values[1]] for trial in study.trials])
        volumes[trials] = hypervolume(points, (-45.0, 24.0))
    assert volumes[30] > 1.2 * volumes[200]


def test_known_effects_are_made_use_of_from_the_first_trial() -> None:
    space, graph = _space(40), _graph(40)
    assert graph.switches
    loss = {name: -1 / (1 + i) for i, name in enumerate(graph.switches)}
    known = Graph(
        switches=graph.switches,
        edges=graph.edges,
        effects=(loss, dict.fromkeys(graph.switches, -0.8)),
        border_effects=({}, dict.fromkeys(graph.edges, 0.3)),
    )
    volumes = []
    for informed in (graph, known):
        study = _study(ParetoSampler(space=space, graph=informed, seed=0))
        _run(study, space, 8)
        points = np.array([[-trial.values[0], trial.values[1]] for trial in study.trials])
        volumes.append(hypervolume(points, (-45.0, 40.0)))
    assert volumes[1] > volumes[0]


def test_effects_told_in_another_unit_guide_as_well() -> None:
    space, graph = _space(16, methods=1), _graph(16)
    assert graph.switches
    asked = []
    for unit in (1.0, 1e4):
        loss = {name: -unit / (1 + i) for i, name in enumerate(graph.switches)}
        study = _study(ParetoSampler(space=space, graph=Graph(switches=graph.switches, effects=(loss,)), seed=0))
        _run(study, space, 12)
        points = np.array([[-trial.values[0], trial.values[1]] for trial in study.trials])
        asked.append(hypervolume(points, (-45.0, 16.0)))
    assert asked[1] == pytest.approx(asked[0], rel=0.1)


def test_one_seed_and_one_history_make_one_proposal_in_whatever_process() -> None:
    space = _space(12)
    whole = _study(ParetoSampler(space=space, graph=_graph(12), seed=7))
    expected = _run(whole, space, 14)
    broken = _study(ParetoSampler(space=space, graph=_graph(12), seed=7))
    first = _run(broken, space, 9)
    broken.sampler = pickle.loads(pickle.dumps(ParetoSampler(space=space, graph=_graph(12), seed=7)))
    assert first + _run(broken, space, 5) == expected
    others = [_run(_study(ParetoSampler(space=space, graph=_graph(12), seed=seed)), space, 14) for seed in range(8, 12)]
    assert any(other != expected for other in others)  # on some processors two of these seeds come to the same


def test_running_trials_are_not_proposed_again_and_batches_spread() -> None:
    space = _space(20)
    study = _study(ParetoSampler(space=space, graph=_graph(20), seed=0))
    _run(study, space, 15)
    batch = [tuple(study.ask(space).params.values()) for _ in range(6)]
    assert len(set(batch)) == 6
    distances = [sum(a != b for a, b in zip(one, two, strict=True)) for one in batch for two in batch if one != two]
    assert np.mean(distances) > 2


def test_threads_that_have_not_written_their_parameters_yet_are_seen() -> None:
    space = _space(10)
    study = _study(ParetoSampler(space=space, graph=_graph(10), seed=0))
    begun = [study.ask() for _ in range(8)]
    proposed = [tuple(trial.relative_params.values()) for trial in begun]
    assert len(set(proposed)) == 8


def test_parallel_threads_repeat_nothing() -> None:
    space = _space(10)
    study = _study(ParetoSampler(space=space, graph=_graph(10), seed=0))

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        for name, one in space.items():
            assert isinstance(one, CategoricalDistribution)
            trial.suggest_categorical(name, one.choices)
        return _score(trial.params)

    study.optimize(objective, n_trials=16, n_jobs=4)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 16


@pytest.mark.parametrize("state", [TrialState.FAIL, TrialState.PRUNED, TrialState.COMPLETE, TrialState.RUNNING])
def test_nothing_is_proposed_twice_while_there_is_something_new(state: TrialState) -> None:
    space = _space(4, methods=1)
    study = _study(ParetoSampler(space=space, seed=0))
    asked = set()
    for _ in range(16):
        params = study.ask(space).params
        asked.add(tuple(params.values()))
        study.add_trial(_trial(params, space, state=state))
    assert len(asked) == 16
    assert study.ask(space).params.keys() == space.keys()  # used up: it repeats, and ends


def test_what_the_key_calls_equal_is_tried_once() -> None:
    space = _space(3)

    def key(params: dict[str, Any]) -> tuple[Any, ...]:
        switches = tuple(value for name, value in params.items() if name != "method")
        return switches + ((params["method"],) if "int8" in switches else ())

    study = _study(ParetoSampler(space=space, key=key, seed=0))
    keys = []
    for _ in range(15):  # 7 masks times 2 methods, and the empty mask
        trial = study.ask(space)
        keys.append(key(trial.params))
        study.tell(trial, _score(trial.params))
    assert len(set(keys)) == 15


def test_failed_and_pruned_trials_teach_nothing_but_are_not_repeated() -> None:
    space, rng = _space(12), np.random.default_rng(0)
    history = [_trial(_random_params(space, rng), space) for _ in range(10)]
    asked = []
    for state in (TrialState.FAIL, TrialState.PRUNED):
        study = _study(ParetoSampler(space=space, seed=1))
        study.add_trials(history)
        study.add_trial(_trial(_random_params(space, np.random.default_rng(5)), space, state=state))
        asked.append(study.ask(space).params)
    assert asked[0] == asked[1]


def _seen(trial: FrozenTrial) -> Observation:
    """A coarse look at a made-up engine."""
    return Observation(values=_score(trial.params), deviations=(0.1, 0.02))


def test_pruned_trials_teach_what_was_seen_of_them() -> None:
    space, volumes = _space(24), []
    for partial in (None, _seen):
        study, rng = (
            _study(ParetoSampler(space=space, graph=_graph(24), partial=partial, seed=0)),
            np.random.default_rng(0),
        )
        study.add_trials([_trial(_random_params(space, rng), space) for _ in range(2)])
        study.add_trials([_trial(_random_params(space, rng), space, state=TrialState.PRUNED) for _ in range(40)])
        _run(study, space, 4)
        points = np.array([[-trial.values[0], trial.values[1]] for trial in study.trials if trial.values])
        volumes.append(hypervolume(points, (-45.0, 24.0)))
    assert volumes[1] > 1.05 * volumes[0]


def test_a_pruned_trial_is_no_front_point_however_good_it_looked() -> None:
    space, asked = _space(12), []
    history = [_trial(_random_params(space, np.random.default_rng(i)), space) for i in range(8)]
    perfect = Observation(values=(50.0, 0.0), deviations=(0.0, 0.0))
    for state in (TrialState.COMPLETE, TrialState.PRUNED):
        study = _study(ParetoSampler(space=space, graph=_graph(12), partial=lambda _: perfect, seed=1))
        study.add_trials(history)
        best = _trial(_random_params(space, np.random.default_rng(99)), space, state=state, values=(50.0, 0.0))
        study.add_trial(best)
        asked.append(study.ask(space).params)
        assert asked[-1] != best.params
    assert asked[0] != asked[1]  # what was measured must be beaten, what was pruned need not


@pytest.mark.parametrize("seen", [(float("nan"), 5.0), (float("nan"), float("nan"))])
def test_an_objective_that_was_not_seen_of_a_pruned_trial_teaches_nothing(seen: tuple[float, float]) -> None:
    space, rng = _space(12), np.random.default_rng(0)
    study = _study(
        ParetoSampler(space=space, partial=lambda trial: Observation(values=seen, deviations=(0.1, 0.1)), seed=1)
    )
    for state in (TrialState.PRUNED, TrialState.COMPLETE, TrialState.PRUNED):  # at first nothing else is known
        study.add_trial(_trial(_random_params(space, rng), space, state=state))
        params = study.ask(space).params
        assert all(one.to_internal_repr(params[name]) in (0, 1) for name, one in space.items())


def test_trials_outside_the_space_are_passed_over() -> None:
    space = _space(6)
    clean, other = (_study(ParetoSampler(space=space, seed=1)) for _ in range(2))
    other.add_trial(create_trial(values=[1.0, 1.0]))
    other.add_trial(_trial({"method": "unknown"}, {"method": CategoricalDistribution(("unknown",))}, values=(1.0, 1.0)))
    assert clean.ask(space).params == other.ask(space).params


def test_directions_are_respected() -> None:
    space = _space(8, methods=1)
    for way, expected in zip(WAYS, ("int8", "float"), strict=True):
        study = optuna.create_study(direction=way, sampler=ParetoSampler(space=space, seed=0))
        for _ in range(12):
            trial = study.ask(space)
            study.tell(trial, float(sum(value == "int8" for value in trial.params.values())))
        best = study.best_trial.params
        assert all(value == expected for name, value in best.items() if name != "method")


def test_what_lies_beyond_the_reference_is_sought_less() -> None:
    space, fast = _space(16, methods=1), []
    for reference in (None, (40.0, 8.0)):
        study = _study(ParetoSampler(space=space, graph=_graph(16), reference=reference, seed=0))
        _run(study, space, 30)
        fast.append(sum(trial.values[1] < 8.0 for trial in study.trials))
    assert fast[1] > fast[0] + 4


def test_three_objectives_and_other_parameters_work() -> None:
    space = _space(10, methods=3)
    study = optuna.create_study(directions=[StudyDirection.MINIMIZE] * 3, sampler=ParetoSampler(space=space, seed=0))
    for _ in range(10):
        trial = study.ask(space)
        rate = trial.suggest_float("rate", 0.0, 1.0)
        accuracy, latency = _score(trial.params | {"rate": "float"})
        study.tell(trial, [-accuracy, latency, rate])
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 10


def test_a_calibration_choice_that_is_worse_is_given_up() -> None:
    space = _space(16)
    study = _study(ParetoSampler(space=space, graph=_graph(16), seed=0))
    _run(study, space, 40)
    late = [trial.params["method"] for trial in study.trials[20:]]
    assert late.count("m0") > 15


_values = st.one_of(
    st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
    st.sampled_from([(1.0, 1.0), (float("inf"), 1.0), (0.0, float("-inf")), (1e12, -1e-12)]),
)
_states = st.sampled_from([TrialState.COMPLETE] * 3 + [TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING])


@settings(max_examples=40)
@given(
    layers=st.integers(1, 6),
    history=st.lists(st.tuples(st.integers(0, 20), _states, _values), max_size=12),
    with_edges=st.booleans(),
)
def test_whatever_the_history_something_new_and_valid_is_proposed(
    layers: int, history: list[tuple[int, TrialState, tuple[float, float]]], with_edges: bool
) -> None:
    space = _space(layers)
    study = _study(ParetoSampler(space=space, graph=_graph(layers) if with_edges else None, seed=0))
    for seed, state, values in history:  # few seeds, so that there are duplicates
        study.add_trial(_trial(_random_params(space, np.random.default_rng(seed)), space, state=state, values=values))
    tried = {tuple(trial.params[name] for name in space) for trial in study.trials}
    params = study.ask(space).params
    assert all(one.to_internal_repr(params[name]) in (0, 1) for name, one in space.items())
    assert len(tried) == 2 ** (layers + 1) or tuple(params[name] for name in space) not in tried


def test_trials_that_are_all_equal_or_not_a_number_do_no_harm() -> None:
    space, rng = _space(10), np.random.default_rng(0)
    study = _study(ParetoSampler(space=space, graph=_graph(10), seed=0))
    for _ in range(6):
        study.add_trial(_trial(_random_params(space, rng), space, values=(0.4, 10.0)))
    trial = study.ask(space)
    with pytest.warns(UserWarning, match="nan"):
        study.tell(trial, (float("nan"), 1.0))
    assert study.trials[-1].state == TrialState.FAIL
    assert study.ask(space).params != trial.params
