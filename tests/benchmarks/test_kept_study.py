"""A study as a data file and back, its tables and its picture."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from optuna.trial import TrialState

from kept import Kept
from kept_pictures import picture
from kept_study import kept_study, kept_view, read_document, restored_study, without_folder, write_document
from kept_tables import Work, tables
from made_up_trials import measured
from qpareto.search.show.view import view_of_study
from qpareto.search.study.attributes import StudyAttributes, TrialAttributes
from qpareto.search.study.opening import open_study
from qpareto.search.study.processes import this_process
from qpareto.search.study.search_study import SearchStudy
from qpareto.search.study_file.loading import load_study_file
from recorded_study import recorded_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SearchStudy:
    """One of 42 trials, its front's first point confirmed on other images."""
    opened = open_study(load_study_file(recorded_study(tmp_path_factory.mktemp("study"))))
    first = view_of_study(opened).results.front[0]
    engine = first.measurement.engine
    again = measured(0.41, 0.5, mask=engine.mask, int8_layers=engine.int8_layers, reformat_share=0.123)
    opened.keep(StudyAttributes(confirmed={first.trial: again}))
    return opened


@pytest.fixture(scope="module")
def kept(study: SearchStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "study.json"
    write_document(kept_study(study), path)
    return path


def test_a_kept_study_is_shown_as_the_one_that_it_was(study: SearchStudy, kept: Path) -> None:
    was, shown = view_of_study(study), kept_view(read_document(kept))
    assert shown.results.records == was.results.records
    assert shown.results.as_json(others=True) == was.results.as_json(others=True)
    assert (shown.name, shown.expected) == (was.name, was.expected)
    assert (shown.ended, shown.begun) == (was.ended, was.begun)
    assert [trial.system_attrs for trial in shown.trials] == [trial.system_attrs for trial in was.trials]


def test_a_restored_study_is_kept_as_the_same_trials_by_the_same_workers(kept: Path, tmp_path: Path) -> None:
    document = read_document(kept)
    for number, trial in enumerate(document["trials"]):
        trial["worker"] = number % 2
    write_document(document, tmp_path / "two-workers.json")
    again = kept_study(open_study(load_study_file(restored_study(tmp_path / "two-workers.json", tmp_path))))
    assert again == document


def test_nothing_of_the_machine_is_kept(study: SearchStudy, tmp_path: Path) -> None:
    trial = study.study.ask()
    study.study.tell(trial, state=_failed(study, trial.number))
    document = kept_study(study)
    write_document(document, tmp_path / "kept.json")
    assert document["trials"][-1]["attributes"]["reason"] == "The engine crashed."
    for word in ("/root/logs", "a-host"):
        assert word not in (tmp_path / "kept.json").read_text()


def _failed(study: SearchStudy, number: int) -> TrialState:
    reason = "The engine crashed. Its log: /root/logs/engine.log"
    worker = replace(this_process(), host="a-host")
    for name, value in TrialAttributes(reason=reason, worker=worker).as_stored().items():
        study.storage.set_trial_user_attr(
            study.storage.get_trial_id_from_study_id_trial_number(study.id, number), name, value
        )
    return TrialState.FAIL


def test_a_running_trial_is_kept_as_interrupted(tmp_path: Path) -> None:
    opened = open_study(load_study_file(recorded_study(tmp_path)))
    opened.study.ask()
    write_document(kept_study(opened), tmp_path / "kept.json")
    last = kept_view(read_document(tmp_path / "kept.json")).results.records[-1]
    assert last.outcome == "interrupted"


def test_a_database_that_is_there_is_not_overwritten(kept: Path, tmp_path: Path) -> None:
    restored_study(kept, tmp_path)
    with pytest.raises(SystemExit, match="is there already"):
        restored_study(kept, tmp_path)


def test_the_tables_tell_baselines_front_and_confirmations(kept: Path) -> None:
    view = kept_view(read_document(kept))
    told = tables(view)
    for name in ("float", "modelopt-max", "ultralytics"):
        assert f"| {name}" in told
    assert "confirmed: change, 95 %" in told
    assert "+0.0100 (+0.0080 to +0.0130) | 0.500 (0.490 to 0.520) |" in told
    assert "| hypervolume | " in told
    assert f"{view.results.hypervolume():.4f} |" in told
    assert "| 12.3% |" in told  # layers were timed when it was confirmed
    assert "Failed 1 times: The engine crashed." in told


def test_hours_of_work_leave_pauses_out_and_count_what_ran_side_by_side_once(kept: Path) -> None:
    view = kept_view(read_document(kept))
    begun = datetime(2026, 1, 1)
    spans = ((0, 10), (5, 20), (60, 70))  # minutes
    for trial, (start, end) in zip(view.trials, spans, strict=False):
        trial.datetime_start, trial.datetime_complete = (begun + timedelta(minutes=m) for m in (start, end))
    for trial in view.trials[len(spans) :]:
        trial.datetime_start = None
    work = Work.of(view)
    assert work.hours == pytest.approx(0.5)
    assert work.at_once == 2


def test_one_study_is_drawn_as_its_front_and_several_against_their_own_references(kept: Path) -> None:
    studies = [Kept.opened(kept) for _ in range(2)]
    assert picture(studies[:1]).layout.title.text == "The front"
    assert picture(studies).layout.xaxis.title.text == "latency, of the reference's"


def test_no_folder_of_the_machine_is_kept() -> None:
    keys = {
        "model": "/home/me/assets/models/m.onnx",
        "data.images": "/home/me/assets/eval",
        "data.limit": None,
        "imgsz": 640,
    }
    assert without_folder({"hash": "h", "keys": keys}) == {
        "hash": "h",
        "keys": keys | {"model": "models/m.onnx", "data.images": "eval"},
    }
    assert without_folder({"hash": "of an older program"}) == {"hash": "of an older program"}
