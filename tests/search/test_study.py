from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any, Literal

import optuna
import psutil
import pytest

from made_up_trials import measured, stopped
from qpareto.errors import StorageError, StudyError
from qpareto.search.record import INTERRUPTED
from qpareto.search.spec import StudySpec
from qpareto.search.study import SearchStudy
from qpareto.search.study_file import load_study_file
from qpareto.search.study_opening import open_study
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


def test_the_study_is_an_ordinary_optuna_study(spec: StudySpec, study: SearchStudy, space: Space) -> None:
    study.finish(study.begin(space=space, candidate=CANDIDATE), measured(0.4, 0.6))
    plain = optuna.load_study(study_name=spec.name, storage=spec.storage)
    assert [direction.name for direction in plain.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert plain.metric_names == ["map50_95", "latency_ms"]
    assert plain.best_trials[0].values == [0.4, 12.0]
    assert set(plain.best_trials[0].params) == set(space.distributions())


def signed_by_a_process_that_ended() -> dict[str, Any]:
    with subprocess.Popen(["sleep", "60"]) as process:
        started = psutil.Process(process.pid).create_time()
        process.kill()
    return {"pid": process.pid, "started": started}


@pytest.mark.parametrize(
    ("worker", "gone"),
    [
        (signed_by_a_process_that_ended(), True),
        ({"pid": os.getpid(), "started": psutil.Process().create_time()}, False),
        ({"pid": os.getpid(), "started": 0.0}, True),  # the number was given to another process since
        ({"host": "another machine", "pid": 1, "started": 0.0}, False),  # cannot be known
        (None, False),  # begun by something else than a worker of ours
    ],
    ids=["ended", "alive", "number taken", "elsewhere", "unsigned"],
)
def test_a_running_trial_is_interrupted_once_its_worker_is_known_to_be_gone(
    study: SearchStudy, worker: dict[str, Any] | None, gone: bool
) -> None:
    signed = {} if worker is None else {"worker": {"host": socket.gethostname()} | worker}
    running = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING, user_attrs=signed)
    study.study.add_trial(running)
    assert study.recover() == int(gone)
    assert [record.state for record in study.records()] == [INTERRUPTED if gone else "running"]
    assert study.recover() == 0


def test_a_trial_of_this_process_is_not_taken_for_interrupted(study: SearchStudy, space: Space) -> None:
    study.begin(space=space, candidate=CANDIDATE)
    assert study.recover() == 0


def test_the_unit_of_latencies_is_found_once(spec: StudySpec, study: SearchStudy) -> None:
    assert study.reference_ms(lambda: 12.5) == 12.5
    assert open_study(spec, identity=IDENTITY).reference_ms(lambda: 99.0) == 12.5


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
