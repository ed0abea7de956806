from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import optuna
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from command_line import qpareto
from made_up_trials import measured, stopped
from qpareto.errors import StorageError, StudyError
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.search.study.opening import devices_of_study, open_study
from qpareto.search.study.record import INTERRUPTED, VANISHED
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
IDENTITY = {"model": "abc", "engine": {"kind": "openvino", "float_type": "fp32"}}
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
    assert (running.number, running.state, running.baseline, running.measurement) == (0, "running", "recipe", None)
    study.finish(number, measured(0.4, 0.6))
    (complete,) = study.records()
    assert complete.state == "complete"
    assert complete.measurement == measured(0.4, 0.6)
    assert space.candidate(complete.params) == CANDIDATE


def test_values_that_another_tool_told_have_no_measurement(study: SearchStudy) -> None:
    study.study.add_trial(optuna.trial.create_trial(values=[0.4, 12.0]))
    (record,) = study.records()
    assert (record.state, record.measurement) == ("complete", None)


def test_a_trial_that_failed_has_its_reason_and_no_values(study: SearchStudy, space: Space) -> None:
    study.fail(study.begin(space=space, candidate=CANDIDATE), "The engine crashed.")
    (record,) = study.records()
    assert (record.state, record.reason, record.measurement) == ("failed", "The engine crashed.", None)
    assert study.study.trials[0].values is None


def test_a_trial_that_was_stopped_is_pruned_with_what_was_seen_and_no_values(study: SearchStudy, space: Space) -> None:
    study.prune(study.begin(space=space, candidate=CANDIDATE), stopped(0.38, 0.6), graph_hash="abc")
    study.prune(study.begin(space=space, candidate=CANDIDATE), stopped(0.38, 0.6), graph_hash="abc", reused_from=0)
    first, again = study.records()
    assert (first.state, first.measurement, first.reason, first.reused_from) == ("pruned", None, None, None)
    assert (first.stopped, first.stopped_graph) == (stopped(0.38, 0.6), "abc")
    assert (again.stopped, again.reused_from) == (first.stopped, 0)
    assert study.study.trials[0].state == optuna.trial.TrialState.PRUNED
    assert study.study.trials[0].values is None
    assert study.study.best_trials == []


def test_a_trial_that_another_tool_pruned_has_nothing_to_tell(study: SearchStudy) -> None:
    study.study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))
    (record,) = study.records()
    assert (record.state, record.stopped) == ("pruned", None)


def test_a_worker_that_ended_between_seeing_enough_and_telling_it_leaves_an_interrupted_trial(
    study: SearchStudy, space: Space
) -> None:
    number = study.begin(space=space, candidate=CANDIDATE)
    trial_id = study.study.trials[number]._trial_id
    study.study._storage.set_trial_user_attr(trial_id, "stopped", stopped(0.38, 0.6).as_json())
    study.fail(number, INTERRUPTED)
    (record,) = study.records()
    assert (record.state, record.stopped) == (INTERRUPTED, None)


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
    assert study.fail(number, f"{VANISHED}: no sign of life")
    assert not cut_off.beat(number, 2)
    assert not cut_off.know_graph(number, "abc")
    assert not cut_off.finish(number, measured(0.4, 0.6))
    assert not cut_off.prune(number, stopped(0.38, 0.6), graph_hash="abc")
    assert not cut_off.fail(number, "The engine crashed.")
    (record,) = study.records()
    assert (record.state, record.ended_as, record.measurement) == (INTERRUPTED, VANISHED, None)


def test_what_another_one_wrote_before_it_came_too_late_is_nobodys(
    spec: StudySpec, study: SearchStudy, space: Space
) -> None:
    finished, failed = (study.begin(space=space, candidate=CANDIDATE) for _ in range(2))
    first, second = (trial._trial_id for trial in study.study.trials)
    study.study._storage.set_trial_user_attr(first, "reason", f"{VANISHED}: about to be ended so")
    study.study._storage.set_trial_user_attr(second, "measurement", measured(0.4, 0.6).as_json())
    assert study.finish(finished, measured(0.4, 0.6))
    assert study.fail(failed, "The engine crashed.")
    one, other = open_study(spec).records()
    assert (one.state, one.reason, one.measurement) == ("complete", None, measured(0.4, 0.6))
    assert (other.state, other.reason, other.measurement) == ("failed", "The engine crashed.", None)


def test_the_unit_of_latencies_is_what_the_first_trial_says(spec: StudySpec, study: SearchStudy, space: Space) -> None:
    assert study.look().unit_ms is None
    study.begin(space=space, candidate=CANDIDATE, unit_ms=12.5)
    open_study(spec, identity=IDENTITY).begin(space=space, candidate=CANDIDATE, unit_ms=12.7)
    assert study.look().unit_ms == 12.5
    assert open_study(spec).look().unit_ms == 12.5


def test_a_study_file_of_each_device_has_a_study_for_every_one(spec: StudySpec) -> None:
    each = spec.model_copy(update={"devices": "each"})
    with pytest.raises(StorageError):
        devices_of_study(each)
    mine, theirs = (open_study(each, identity=IDENTITY | {"device": name}) for name in ("A GPU", "Another GPU"))
    assert mine.study.study_name != theirs.study.study_name
    assert devices_of_study(each) == ["A GPU", "Another GPU"]
    assert open_study(each, device="A GPU").study.study_name == mine.study.study_name
    for unknown in (None, "A CPU"):
        with pytest.raises(StudyError, match="name one of 'A GPU', 'Another GPU'"):
            open_study(each, device=unknown)


def test_the_front_of_one_of_several_device_models_is_shown_when_it_is_named(study_file: Path, space: Space) -> None:
    spec = load_study_file(study_file, ["devices=each"])
    for device, figures in (("A GPU", measured(0.4, 0.6)), ("Another GPU", measured(0.3, 0.5))):
        study = open_study(spec, identity=IDENTITY | {"device": device})
        assert study.finish(study.begin(space=space, candidate=CANDIDATE), figures)
    front = "front", study_file, "--set", "devices=each", "--json"
    assert "name one of 'A GPU', 'Another GPU'" in qpareto(*front).sentence
    shown = json.loads(qpareto(*front, "--device", "Another GPU").out)
    assert [point["map50_95"] for point in shown] == [0.3]


def test_of_many_that_open_a_study_at_once_one_makes_it_and_all_have_it(spec: StudySpec) -> None:
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: open_study(spec, identity=IDENTITY), range(6)))
    assert len({study.study._study_id for study in opened}) == 1
    assert all(study.study.user_attrs["identity"]["model"] == "abc" for study in opened)


def test_a_study_that_is_not_there_is_said_to_be_missing(spec: StudySpec) -> None:
    with pytest.raises(StorageError, match=r"There is no study yet at sqlite.*: `qpareto run` makes one"):
        open_study(spec)
    assert list(Path(spec.storage.removeprefix("sqlite:///")).parent.glob("*.db")) == []
    open_study(spec, identity=IDENTITY)
    with pytest.raises(StudyError, match="holds no study named 'other'"):
        open_study(spec.model_copy(update={"name": "other"}))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": "def"}, "made with model 'abc', but now it is 'def'"),
        ({"engine": {"kind": "openvino", "float_type": "bf16"}}, "'float_type': 'bf16'"),
        ({"device": "a new fact"}, "made with device None"),
    ],
)
def test_a_study_is_held_to_what_it_was_made_with(
    spec: StudySpec, study: SearchStudy, changed: dict[str, Any], said: str
) -> None:
    open_study(spec, identity=IDENTITY)
    for refused in (lambda: open_study(spec, identity=IDENTITY | changed), lambda: study.hold_to(IDENTITY | changed)):
        with pytest.raises(StudyError, match=said) as caught:
            refused()
        assert "another `name`" in str(caught.value)


def test_other_objectives_are_another_study(spec: StudySpec, study: SearchStudy) -> None:
    with pytest.raises(StudyError, match="made with objectives"):
        open_study(spec.model_copy(update={"objectives": ("map50_95",)}), identity=IDENTITY)
    assert open_study(spec).objectives == ("map50_95", "latency_ms")


@pytest.mark.parametrize("objectives", [1, 2])
@pytest.mark.parametrize("trials", [0, 1])
def test_a_study_of_somebody_else_is_left_alone_unless_it_is_blank(
    spec: StudySpec, objectives: int, trials: int
) -> None:
    directions: list[Literal["maximize", "minimize"]] = ["maximize", "minimize"]
    theirs = optuna.create_study(study_name=spec.name, storage=spec.storage, directions=directions[:objectives])
    if trials:
        theirs.add_trial(optuna.trial.create_trial(values=[1.0] * objectives))
    with pytest.raises(StudyError, match="not made by qpareto"):
        open_study(spec)
    if trials or objectives == 1:
        with pytest.raises(StudyError, match="not made by qpareto"):
            open_study(spec, identity=IDENTITY)
        assert theirs.user_attrs == {}
    else:
        assert open_study(spec, identity=IDENTITY).records() == []


OF_0_1 = {"batch": 1, "threads": 1, "range_guard": True, "capability": None, "optimization_level": None}


def test_a_study_of_0_1_goes_on_which_wrote_every_option_of_every_kind(spec: StudySpec) -> None:
    study = open_study(spec, identity=IDENTITY)
    stored = {**study.study.user_attrs["identity"], "engine": OpenVinoOptions().identity() | OF_0_1}
    study.study.set_user_attr("identity", stored)
    goes_on = IDENTITY | {"engine": OpenVinoOptions(threads=1).identity()}
    open_study(spec, identity=goes_on).hold_to(goes_on)
    with pytest.raises(StudyError, match=r"engine {'threads': 1}, but now it is {'threads': 'its default'}: .*"):
        study.hold_to(IDENTITY | {"engine": OpenVinoOptions().identity()})
