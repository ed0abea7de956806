"""What a study stores: written and read by its type, and read as 0.1 wrote it."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

import qpareto
from copied_study import copied_study
from made_up_trials import measured, stopped
from qpareto.errors import CandidateError
from qpareto.objectives.latency.spread import Spread
from qpareto.search.api import export_from_study, run_study
from qpareto.search.ship.choice import Choice
from qpareto.search.show.report.page import report
from qpareto.search.show.view import view_of_study
from qpareto.search.storage.patient import TOKEN
from qpareto.search.study.attributes import Beat, Expected, StudyAttributes, TrialAttributes
from qpareto.search.study.identity import FORMAT, Identity
from qpareto.search.study.opening import open_study
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.processes import this_process
from qpareto.search.study.record import record_of_trial
from qpareto.search.study.search_study import SearchStudy
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec
from stand_in import IDENTITY, StandIn, stand_in_space, stand_in_spec, stand_in_worker

BEGUN = TrialAttributes(candidate="max:16 3", baseline="float", retry_of=0, worker=this_process(), token="t", graph="g")


def as_stored(told: TrialAttributes | StudyAttributes) -> dict[str, Any]:
    """As a database gives it back."""
    found: dict[str, Any] = json.loads(json.dumps(told.as_stored()))
    return found


@pytest.mark.parametrize(
    "told",
    [
        TrialAttributes(),
        BEGUN,
        TrialAttributes(beat=Beat(count=3, at=1.5), reused_from=0, measurement=measured(0.4, 0.6)),
        TrialAttributes(stopped=stopped(0.38, 0.6), stopped_graph="g"),
        TrialAttributes(outcome=Outcome.GIVEN_UP, reason="Why: it is so."),
    ],
)
def test_what_is_stored_of_a_trial_is_read_as_it_was_written(told: TrialAttributes) -> None:
    assert TrialAttributes.from_stored(as_stored(told)) == told
    assert None not in as_stored(told).values()


def test_what_is_stored_of_a_study_is_read_as_it_was_written() -> None:
    told = StudyAttributes(
        data=("Half of the labels are missing.",),
        maker="m",
        reference_ms=12.5,
        identity=IDENTITY,
        expected=Expected(layers={}, harm={"000": 0.1}, saved_ms={}),
        builds=Spread(deviation=0.01, timings=4, ratio=0.9),
        confirmed={3: measured(0.4, 0.6)},
        exported={12: measured(0.4, 0.7)},
    )
    assert StudyAttributes.from_stored(as_stored(told)) == told
    refuted = StudyAttributes(confirmed={3: CandidateError("It crashed.")})
    assert str(StudyAttributes.from_stored(as_stored(refuted)).confirmed[3]) == "It crashed."


def test_the_identity_is_written_after_all_that_makes_a_study_ours() -> None:
    told = StudyAttributes(maker="m", reference_ms=12.5, identity=IDENTITY)
    assert list(as_stored(told)) == ["maker", "reference_ms", "identity"]


def test_the_token_that_a_storage_looks_for_is_one_of_the_attributes() -> None:
    assert TOKEN in {each.name for each in fields(TrialAttributes)}


def test_no_other_file_of_the_package_names_an_attribute_to_optuna() -> None:
    package = Path(qpareto.__file__).parent
    passing_on = ("search/study/", "search/storage/")  # storages hand on what others name
    for path in sorted(package.glob("search/**/*.py")):
        if not str(path.relative_to(package)).startswith(passing_on):
            assert not re.search(r"user_attr", path.read_text()), path


# As format 1 was written: reasons begin with an outcome, the first trial tells the reference's milliseconds


@pytest.mark.parametrize(
    ("reason", "outcome", "why"),
    [
        ("interrupted", Outcome.INTERRUPTED, "interrupted"),
        ("died: the process of its worker a:1 has ended", Outcome.DIED, "the process of its worker a:1 has ended"),
        ("vanished: its worker a:1 has given no sign", Outcome.VANISHED, "its worker a:1 has given no sign"),
        ("withdrawn: 6 trials are finished", Outcome.WITHDRAWN, "6 trials are finished"),
        ("quarantined: 2 workers died of it", Outcome.QUARANTINED, "2 workers died of it"),
        ("given up: 3 workers were lost with it", Outcome.GIVEN_UP, "3 workers were lost with it"),
        ("failed: as a step said it", Outcome.FAILED, "failed: as a step said it"),
        ("The engine crashed: SIGSEGV.", Outcome.FAILED, "The engine crashed: SIGSEGV."),
    ],
)
def test_a_reason_of_format_1_begins_with_the_outcome(reason: str, outcome: Outcome, why: str) -> None:
    read = record_of_trial(optuna.trial.create_trial(state=TrialState.FAIL, user_attrs={"reason": reason}))
    assert (read.outcome, read.reason) == (outcome, why)
    now = {"reason": reason, "outcome": "failed"}
    read = record_of_trial(optuna.trial.create_trial(state=TrialState.FAIL, user_attrs=now))
    assert (read.outcome, read.reason) == (Outcome.FAILED, reason)


def in_format_1(study: SearchStudy) -> None:
    """Rewrite a new study, with what it holds, as 0.1 would have made it."""
    storage, attributes = study.storage, study.study.user_attrs
    told = {key: value for key, value in attributes["identity"].items() if key != "format"}
    name, directions = study.study.study_name, study.study.directions
    trials = study.study.get_trials()
    storage.delete_study(study.id)
    before = optuna.create_study(storage=storage, study_name=name, directions=directions)
    before.set_user_attr("identity", told)
    for trial in trials:
        attrs = trial.user_attrs
        if outcome := attrs.pop("outcome", None):
            attrs["reason"] = attrs["reason"] if outcome == "failed" else f"{outcome}: {attrs['reason']}"
        if trial.number == 0 and attributes.get("reference_ms"):
            attrs["unit_ms"] = attributes["reference_ms"]
        trial.user_attrs = attrs
        before.add_trial(trial)


@pytest.fixture
def of_format_1(tmp_path: Path) -> StudySpec:
    """Three trials that are complete, then one that died and one that was withdrawn."""
    spec = stand_in_spec(f"sqlite:///{tmp_path}/study.db", "before")
    worker = stand_in_worker(spec, StandIn(takes_s=0), layers=8)
    worker.run(trials=3)
    space, now = stand_in_space(8), worker.study.look()
    again = space.candidate({**now.records[0].params, "calibration.size": 32, "calibration.method": "entropy"})
    for outcome in (Outcome.DIED, Outcome.WITHDRAWN):
        worker.study.fail(worker.study.begin(space=space, candidate=again), "It was so.", outcome=outcome)
    in_format_1(worker.study)
    return spec


def test_a_study_of_format_1_is_shown_as_it_is(of_format_1: StudySpec) -> None:
    study = open_study(of_format_1)
    assert study.identity.format == 1
    outcomes = [record.outcome for record in study.records()]
    assert outcomes == [*[Outcome.COMPLETE] * 3, Outcome.DIED, Outcome.WITHDRAWN]
    assert {r.measurement.timing.reference_ms for r in study.records() if r.measurement} == {study.reference_ms}
    assert open_study(of_format_1).identity.format == 1, "whoever only reads changes nothing"


def test_a_study_of_format_1_goes_on_in_its_unit_and_is_of_this_format_then(of_format_1: StudySpec) -> None:
    before = open_study(of_format_1).reference_ms
    worker = stand_in_worker(of_format_1, StandIn(takes_s=0), layers=8)
    assert worker.study.stored.reference_ms == before
    assert open_study(of_format_1).identity.format == FORMAT
    worker.run(trials=5)
    records = worker.study.records()
    assert records[5].retry_of == 3, "what died is tried again"
    assert [record.outcome for record in records[5:]] == [Outcome.COMPLETE] * 2
    assert {r.measurement.timing.reference_ms for r in records if r.measurement} == {before}


def test_a_real_study_of_format_1_is_reported_exported_and_gone_on_with(finished_study: Path, tmp_path: Path) -> None:
    spec = load_study_file(copied_study(finished_study, tmp_path / "copy"))
    before = open_study(spec)
    shown, unit_ms = before.records(), before.reference_ms
    in_format_1(before)
    study = open_study(spec)
    assert (study.records(), study.reference_ms) == (shown, unit_ms)
    assert "</html>" in report([view_of_study(study)])
    export_from_study(spec, Choice(trial=0), tmp_path / "best")
    found = study.stored.exported[0]
    assert found.timing.ms / found.timing.ratio.value == pytest.approx(unit_ms)
    records = run_study(spec, trials=len(shown) + 1).records
    assert records[-1].outcome == Outcome.COMPLETE
    assert open_study(spec).stored.reference_ms == unit_ms


def test_a_study_of_format_1_without_trials_is_made_anew(tmp_path: Path) -> None:
    spec = stand_in_spec(f"sqlite:///{tmp_path}/study.db", "before")
    in_format_1(open_study(spec, identity=IDENTITY))
    study = open_study(spec, identity=Identity(**{**vars(IDENTITY), "device": "Another"}), reference_ms=lambda: 12.5)
    assert (study.identity.format, study.identity.device, study.reference_ms) == (FORMAT, "Another", 12.5)
