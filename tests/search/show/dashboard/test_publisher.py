from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qpareto.search.show.dashboard.board import MARK, Board, merged
from qpareto.search.show.dashboard.publisher import Publisher
from qpareto.search.storage import open_storage
from qpareto.search.study.opening import open_study
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec
from recorded_study import recorded_study

optuna_dashboard = pytest.importorskip("optuna_dashboard", reason="needs the extra dashboard")


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return load_study_file(recorded_study(tmp_path))


def attributes(spec: StudySpec) -> dict[str, Any]:
    storage = open_storage(spec.storage, create=False)
    return storage.get_study_system_attrs(storage.get_study_id_from_name(spec.name))


def test_the_study_has_a_note_with_its_answer_tables_and_commands(spec: StudySpec) -> None:
    Publisher(open_study(spec), study_file="mine.yaml").publish()
    note = optuna_dashboard.get_note(open_study(spec).study)
    for text in (
        "- Ship trial 34: 2.24x faster than the float engine",
        "As accurate as the float engine within 0.005 mAP50-95, trial ",
        "## The front",
        "ultralytics",
        "qpareto export mine.yaml -o engine  # the answer",
        "qpareto export mine.yaml -o engine --knee",
        "90 switches",
    ):
        assert text in note
    assert open_study(spec).study.metric_names == ["mAP50-95 (0 to 1)", "latency (ms)"]


def test_publishing_again_and_by_another_publisher_changes_nothing(spec: StudySpec) -> None:
    one, other = (Publisher(open_study(spec), study_file="mine.yaml") for _ in range(2))
    assert one.publish()
    before = attributes(spec)
    assert not one.publish()  # nothing has ended since
    assert other.publish()
    assert attributes(spec) == before


def test_every_finished_trial_has_a_note_of_what_it_is(spec: StudySpec) -> None:
    Publisher(open_study(spec), study_file="mine.yaml").publish()
    stored = attributes(spec)
    notes = [value for key, value in stored.items() if "note_str" in key]
    assert any("Baseline: **ultralytics**" in note for note in notes)
    assert any("Failed: The engine crashed." in note for note in notes)
    assert any("stopped after 41 of 328 images" in note for note in notes)
    assert len([key for key in stored if key.endswith("note_ver")]) == 42 + 1


def test_what_a_user_wrote_into_a_note_stays(spec: StudySpec) -> None:
    study = open_study(spec).study
    optuna_dashboard.save_note(study, "My own words.")
    Publisher(open_study(spec), study_file="mine.yaml").publish()
    Publisher(open_study(spec), study_file="moved.yaml").publish()
    note = optuna_dashboard.get_note(open_study(spec).study)
    assert note.endswith(f"{MARK}My own words.")
    assert note.count("My own words.") == 1
    assert "moved.yaml" in note
    assert "mine.yaml" not in note


def test_words_below_the_mark_are_theirs() -> None:
    assert merged("new", f"old{MARK}theirs") == f"new{MARK}theirs"
    assert merged("new", "theirs") == f"new{MARK}theirs"


def test_a_figure_that_is_too_large_is_refused(spec: StudySpec) -> None:
    import plotly.graph_objects as go

    board = Board(open_study(spec).study, open_storage(spec.storage))
    with pytest.raises(ValueError, match="more than 200000"):
        board.set_figure("front", go.Figure(go.Scatter(y=list(range(10**5)))))
