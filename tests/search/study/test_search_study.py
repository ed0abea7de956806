from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from made_up_trials import measured, stopped
from qpareto.errors import StudyError
from qpareto.objectives.latency.spread import Spread
from qpareto.search.study.attributes import TrialAttributes
from qpareto.search.study.identity import Identity
from qpareto.search.study.opening import open_study
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.search_study import SearchStudy
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.layers import Layer
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.space import Space, space_of_layers

LAYERS = [Layer(name=f"/model.{i}/Conv", op="Conv", block=f"model.{i}", macs=1, weights=1) for i in range(3)]
NAMES = [layer.name for layer in LAYERS]
IDENTITY = Identity(model="abc", engine={"kind": "openvino", "float_type": "fp32"})
CANDIDATE = Candidate(CalibrationChoice("max", 8), LayerMask.from_names(NAMES, NAMES[:2]))


@pytest.fixture
def spec(study_file: Path) -> StudySpec:
    return load_study_file(study_file)


@pytest.fixture
def study(spec: StudySpec) -> SearchStudy:
    return open_study(spec, identity=IDENTITY)


@pytest.fixture
def space() -> Space:
    return space_of_layers(LAYERS, methods=["max"], sizes=[8])


def test_a_trial_is_begun_and_finished_with_its_measurement(study: SearchStudy, space: Space) -> None:
    number = study.begin(space=space, candidate=CANDIDATE, baseline="recipe")
    (running,) = study.records()
    assert (running.number, running.outcome, running.baseline, running.measurement) == (0, "running", "recipe", None)
    study.finish(number, measured(0.4, 0.6))
    (complete,) = study.records()
    assert complete.outcome == "complete"
    assert complete.measurement == measured(0.4, 0.6)
    assert space.candidate(complete.params) == CANDIDATE


def test_a_study_is_held_to_the_kernels_of_who_begins_it(study: SearchStudy) -> None:
    begun = Spread(deviation=0.0005, timings=4, ratio=0.928)
    for here in (begun, replace(begun, ratio=0.932), replace(begun, ratio=0.953, deviation=0.02)):
        study.hold_to_builds(here)
    assert study.stored.builds == begun
    with pytest.raises(StudyError) as caught:
        study.hold_to_builds(replace(begun, ratio=0.95))
    assert str(caught.value) == (
        "The study 'small' was begun where the engine with all layers in INT8 takes 0.928 of the reference, and here "
        "it takes 0.950: builds choose other kernels here, so figures would not compare; copy `engine-caches` out of "
        "the cache folder there into the one here, or give the study another `name`, with this one's file in "
        "`search.start_from`."
    )


def test_values_that_another_tool_told_have_no_measurement(study: SearchStudy) -> None:
    study.study.add_trial(optuna.trial.create_trial(values=[0.4, 12.0]))
    (record,) = study.records()
    assert (record.outcome, record.measurement) == ("complete", None)


def test_a_trial_that_failed_has_its_reason_and_no_values(study: SearchStudy, space: Space) -> None:
    study.fail(study.begin(space=space, candidate=CANDIDATE), "The engine crashed.")
    (record,) = study.records()
    assert (record.outcome, record.reason, record.measurement) == ("failed", "The engine crashed.", None)
    assert study.study.trials[0].values is None


def test_a_trial_that_was_stopped_is_pruned_with_what_was_seen_and_no_values(study: SearchStudy, space: Space) -> None:
    study.prune(study.begin(space=space, candidate=CANDIDATE), stopped(0.38, 0.6), graph_hash="abc")
    study.prune(study.begin(space=space, candidate=CANDIDATE), stopped(0.38, 0.6), graph_hash="abc", reused_from=0)
    first, again = study.records()
    assert (first.outcome, first.measurement, first.reason, first.reused_from) == ("pruned", None, None, None)
    assert (first.stopped, first.stopped_graph) == (stopped(0.38, 0.6), "abc")
    assert (again.stopped, again.reused_from) == (first.stopped, 0)
    assert study.study.trials[0].state == optuna.trial.TrialState.PRUNED
    assert study.study.trials[0].values is None
    assert study.study.best_trials == []


def test_a_trial_that_another_tool_pruned_has_nothing_to_tell(study: SearchStudy) -> None:
    study.study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))
    (record,) = study.records()
    assert (record.outcome, record.stopped) == ("pruned", None)


def test_a_worker_that_ended_between_seeing_enough_and_telling_it_leaves_an_interrupted_trial(
    study: SearchStudy, space: Space
) -> None:
    number = study.begin(space=space, candidate=CANDIDATE)
    assert study._remember(number, TrialAttributes(stopped=stopped(0.38, 0.6)))
    study.fail(number, "It was told to end.", outcome=Outcome.INTERRUPTED)
    (record,) = study.records()
    assert (record.outcome, record.stopped) == (Outcome.INTERRUPTED, None)


def test_a_result_that_is_told_again_names_the_trial_it_is_from(study: SearchStudy, space: Space) -> None:
    study.finish(study.begin(space=space, candidate=CANDIDATE), measured(0.4, 0.6))
    study.finish(study.begin(space=space, candidate=CANDIDATE), measured(0.4, 0.6), reused_from=0)
    assert [record.reused_from for record in study.records()] == [None, 0]


def test_a_candidate_outside_the_space_is_a_trial_without_parameters(study: SearchStudy, space: Space) -> None:
    outside = Candidate(CalibrationChoice("entropy", 8), CANDIDATE.mask)
    study.begin(space=space, candidate=outside)
    assert study.records()[0].params == {}


@pytest.mark.parametrize("layers", [1, 90])
def test_a_trial_begins_in_two_transactions_whatever_the_number_of_its_layers(study: SearchStudy, layers: int) -> None:
    made_up = [Layer(name=f"/model.{i}/Conv", op="Conv", block="model", macs=1, weights=1) for i in range(layers)]
    space = space_of_layers(made_up, methods=["max"], sizes=[8])
    names = [layer.name for layer in made_up]
    candidate = Candidate(CalibrationChoice("max", 8), LayerMask.from_names(names, names))
    commits: list[Connection] = []

    def count(connection: Connection) -> None:
        commits.append(connection)

    event.listen(Engine, "commit", count)
    try:
        study.begin(space=space, candidate=candidate)
    finally:
        event.remove(Engine, "commit", count)
    assert len(commits) == 2  # one to write it, one to read its number
    assert len(study.records()[0].params) == len(space.distributions())


def test_the_study_is_an_ordinary_optuna_study(spec: StudySpec, study: SearchStudy, space: Space) -> None:
    study.finish(study.begin(space=space, candidate=CANDIDATE), measured(0.4, 0.6))
    plain = optuna.load_study(study_name=spec.name, storage=spec.storage)
    assert [direction.name for direction in plain.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert plain.metric_names == ["map50_95", "latency_ms"]
    assert plain.best_trials[0].values == [0.4, 12.0]
    assert set(plain.best_trials[0].params) == set(space.distributions())


def test_a_trial_ends_once_and_who_comes_too_late_is_told(spec: StudySpec, study: SearchStudy, space: Space) -> None:
    number = study.begin(space=space, candidate=CANDIDATE)
    cut_off = open_study(spec, identity=IDENTITY)
    assert cut_off.beat(number, 1)
    assert study.fail(number, "No sign of life.", outcome=Outcome.VANISHED)
    assert not cut_off.beat(number, 2)
    assert not cut_off.know_graph(number, "abc")
    assert not cut_off.finish(number, measured(0.4, 0.6))
    assert not cut_off.prune(number, stopped(0.38, 0.6), graph_hash="abc")
    assert not cut_off.fail(number, "The engine crashed.")
    (record,) = study.records()
    assert (record.outcome, record.reason, record.measurement) == (Outcome.VANISHED, "No sign of life.", None)


def test_what_another_one_wrote_before_it_came_too_late_is_nobodys(
    spec: StudySpec, study: SearchStudy, space: Space
) -> None:
    finished, failed = (study.begin(space=space, candidate=CANDIDATE) for _ in range(2))
    vanished = TrialAttributes(outcome=Outcome.VANISHED, reason="About to be ended so.")
    assert study._remember(finished, vanished)
    assert study._remember(failed, vanished)
    assert study._remember(failed, TrialAttributes(measurement=measured(0.4, 0.6)))
    assert study.finish(finished, measured(0.4, 0.6))
    assert study.fail(failed, "The engine crashed.")
    one, other = open_study(spec).records()
    assert (one.outcome, one.reason, one.measurement) == ("complete", None, measured(0.4, 0.6))
    assert (other.outcome, other.reason, other.measurement) == ("failed", "The engine crashed.", None)
