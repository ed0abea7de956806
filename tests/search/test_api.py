"""What commands and scripts call, on the small study's real model and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copied_study import copied_study
from qpareto.errors import QParetoError, StorageError, StudyError, StudyFileError
from qpareto.objectives.interval import Interval
from qpareto.objectives.measurement import Measurement
from qpareto.objectives.score import Scorer
from qpareto.search.api import export_from_study, layers_of_study_or_model, measure_candidate, results, run_study
from qpareto.search.ship.choice import Choice
from qpareto.search.study_file.loading import load_study_file

FIRST, LAST = "/model.0/conv/Conv", "/model.4/cv2/conv/Conv"


def test_results_are_what_the_run_returned(finished_study: Path) -> None:
    spec = load_study_file(finished_study)
    found = results(spec)
    assert found.points
    again = run_study(spec)  # it has its trials: nothing is run
    assert again.records == found.records


def test_a_mask_is_none_all_a_word_or_a_file(study_file: Path, tmp_path: Path) -> None:
    spec = load_study_file(study_file)
    names = tmp_path / "mask.txt"
    names.write_text(f"{FIRST}\n\n# the head\n{LAST}\n")
    by_file = measure_candidate(spec, mask=str(names), calibration="max:2")
    assert by_file.engine.int8_layers == (FIRST, LAST)
    assert by_file.engine.calibration == "max:2"
    by_word = measure_candidate(spec, mask=by_file.engine.mask, calibration="max:2")
    assert by_word.engine.int8_layers == by_file.engine.int8_layers
    assert by_word.engine.graph_hash == by_file.engine.graph_hash
    nothing = measure_candidate(spec, mask="none")
    assert (nothing.engine.int8_layers, nothing.engine.calibration, nothing.accuracy.change.value) == ((), None, 0.0)


def test_zero_points_run_in_int8_as_symmetric_ranges_do_and_the_engine_computes_its_graph(study_file: Path) -> None:
    spec = load_study_file(study_file)
    found = measure_candidate(spec, mask="all", calibration="asymmetric:4+bias")
    symmetric = measure_candidate(spec, mask="all", calibration="max:4")
    assert found.engine.calibration == "asymmetric:4+bias"
    assert found.engine.int8_ran == symmetric.engine.int8_ran == len(found.engine.int8_layers)
    assert found.engine.graph_hash != symmetric.engine.graph_hash
    assert found.engine.parity is not None  # within its limits, or it would be no measurement


def test_a_mask_that_is_none_of_these_is_refused(study_file: Path) -> None:
    spec = load_study_file(study_file)
    with pytest.raises(StudyError, match=r"'absent.txt' is neither none nor all nor a file that is there"):
        measure_candidate(spec, mask="absent.txt", calibration="max:2")
    with pytest.raises(StudyError, match="needs a calibration"):
        measure_candidate(spec, mask="all")


def test_a_folder_that_is_there_is_refused_before_anything_is_measured(study_file: Path, tmp_path: Path) -> None:
    spec = load_study_file(study_file, ["engine.run_timeout_s=0.001"])  # nothing could be measured
    with pytest.raises(StudyError, match="is there already"):
        measure_candidate(spec, mask="all", calibration="max:2", keep=tmp_path)


def test_layers_are_listed_of_a_study_and_of_a_model(
    assets: Path, finished_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = layers_of_study_or_model(finished_study)
    assert [row["name"] for row in rows][:2] == [FIRST, "/model.1/cv1/conv/Conv"]
    assert {"name", "op", "block", "macs", "weights", "quantizable", "no_kernel"} == rows[0].keys()
    assert all(row["quantizable"] and row["no_kernel"] is None for row in rows)
    monkeypatch.setenv("HOME", str(tmp_path))  # where the cache lies that no study file names
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "qpareto").symlink_to(assets / "cache")
    assert layers_of_study_or_model(assets / "model.onnx") == rows
    with pytest.raises(StudyFileError, match="is a model"):
        layers_of_study_or_model(assets / "model.onnx", ["model=other.onnx"])


def test_an_export_is_the_chosen_trial_built_anew(finished_study: Path, tmp_path: Path) -> None:
    spec = load_study_file(finished_study)
    written = export_from_study(spec, Choice(trial=1), tmp_path / "best")
    assert written.study is not None
    assert written.searched is not None
    assert (written.study.trial, written.afresh, written.layout) == (1, True, "ultralytics")
    assert written.measurement.engine.graph_hash == written.searched.engine.graph_hash
    assert written.measurement.accuracy.value == written.searched.accuracy.value
    assert written.measurement.timing.reference_ms != written.searched.timing.reference_ms, "it was timed once more"
    assert written.drift is not None
    assert written.drift.images_seen == 6
    text = (tmp_path / "best" / "README.md").read_text()
    assert written.chosen in text
    assert "Built anew and measured in full for this folder" in text
    assert "## What changes against the reference" in text


def test_an_export_without_confirmation_says_so_and_keeps_the_searchs_figures(
    finished_study: Path, tmp_path: Path
) -> None:
    spec = load_study_file(finished_study)
    written = export_from_study(spec, Choice(trial=1), tmp_path / "best", confirm=False)
    assert (written.afresh, written.measurement) == (False, written.searched)
    assert written.drift is not None, "the search's own matches are kept"


def test_what_does_not_keep_its_promise_when_measured_anew_is_not_written(
    finished_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_study_file(copied_study(finished_study, tmp_path / "copy"))  # the study keeps what is measured
    measure = Scorer.measure

    def slow(self: Scorer, *candidate: Any, **options: Any) -> Measurement:
        found = measure(self, *candidate, **options)
        slower = Interval(*(9 * part for part in found.timing.ratio))
        return replace(found, timing=replace(found.timing, ms=9 * found.timing.ms, ratio=slower, own=slower))

    monkeypatch.setattr(Scorer, "measure", slow)
    fastest = results(spec).front[0]
    limit = Choice(max_latency_ms=1.001 * fastest.decisive.timing.ms)
    with pytest.raises(StudyError, match=r"No point of the front runs within .*; the nearest are trial"):
        export_from_study(spec, limit, tmp_path / "best")
    assert not (tmp_path / "best").exists()
    again = next(point for point in results(spec).points if point.trial == fastest.trial)
    assert again.figures.latency_from == "measured anew at export"
    assert again.decisive.timing.ratio.value > 1.5 * fastest.decisive.timing.ratio.value, (
        "the study keeps what refutes it"
    )


def test_nothing_is_exported_from_another_model_or_other_settings(finished_study: Path, tmp_path: Path) -> None:
    spec = load_study_file(finished_study, ["engine.threads=2"])
    with pytest.raises(StudyError, match=r"made otherwise .engine.threads was 1, now 2"):
        export_from_study(spec, Choice(knee=True), tmp_path / "best")
    assert not (tmp_path / "best").exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [("engine.threads=4096", "runs this engine on"), ("space.mask.keep_float=[nothing]", "matches no layer")],
)
def test_a_study_that_cannot_run_is_not_begun(study_file: Path, override: str, said: str) -> None:
    with pytest.raises(QParetoError, match=said):
        run_study(load_study_file(study_file, [override]))
    assert [path.name for path in study_file.parent.iterdir()] == ["study.yaml"]


def test_a_study_of_one_objective_runs(study_file: Path) -> None:
    found = run_study(load_study_file(study_file, ["objectives=[latency_ms]"]), trials=2)
    assert len(found.front) >= 1
    assert len({point.measurement.timing.ms for point in found.front}) == 1


def test_a_storage_that_fails_midway_is_told_and_what_is_finished_is_kept(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from sqlalchemy.exc import OperationalError

    from qpareto.search.run.worker import Silence
    from qpareto.search.study.record import TrialRecord

    def refuse(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("server closed the connection"))

    class Unplugs(Silence):
        def end(self, record: TrialRecord) -> None:
            event.listen(Engine, "before_cursor_execute", refuse)

    spec = load_study_file(study_file)
    try:
        with pytest.raises(StorageError, match=r"failed \(.*server closed the connection.*what is finished is kept"):
            run_study(spec, listener=Unplugs())
    finally:
        event.remove(Engine, "before_cursor_execute", refuse)
    assert [record.outcome for record in results(spec).records] == ["complete"]
