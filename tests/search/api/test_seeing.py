"""A study opened in a notebook, reported and shown: what commands and scripts call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

import qpareto
from command_line import qpareto as command
from made_up_trials import measured
from qpareto.errors import StudyError
from qpareto.objectives.objective import values_of
from qpareto.search.api import Address, OpenedStudy, dashboard_of_study, write_report
from qpareto.search.study.attributes import TrialAttributes
from qpareto.search.study.identity import Identity
from qpareto.search.study.opening import open_study
from qpareto.search.study_file.loading import load_study_file
from recorded_study import recorded_study


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenedStudy:
    found: OpenedStudy = qpareto.open(recorded_study(tmp_path_factory.mktemp("recorded")))
    return found


@pytest.fixture
def without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)  # as an import finds it that is not installed


def test_measurements_are_a_data_frame_by_trial(opened: OpenedStudy) -> None:
    frame: Any = opened.measurements()
    assert frame.index.name == "trial"
    assert len(frame) == 40
    assert set(frame.index[frame.on_front]) == {point.trial for point in opened.results.front}
    assert frame.loc[1, "baseline"] == "modelopt-max"
    point = opened.results.front[0]
    assert frame.loc[point.trial, "latency_ms"] == point.measurement.timing.ms


@pytest.mark.usefixtures("without_pandas")
def test_measurements_are_dicts_without_pandas(opened: OpenedStudy) -> None:
    rows = opened.measurements()
    assert isinstance(rows, list)
    assert len(rows) == 40
    assert {row["trial"] for row in rows if row["on_front"]} == {point.trial for point in opened.results.front}
    assert {"map50_95", "latency_ms", "latency_ratio_ci", "baseline"} <= rows[0].keys()


def test_a_study_without_measurements_is_an_empty_frame(tmp_path: Path) -> None:
    empty = qpareto.open(recorded_study(tmp_path, run="nothing", searched=0, recipes=False))
    assert empty.measurements().empty


def test_plots_are_figures_by_name(opened: OpenedStudy) -> None:
    import plotly.graph_objects as go

    drawn = opened.plots()
    assert list(drawn) == ["front", "masks", "worth", "bargains", "growth"]
    assert all(isinstance(figure, go.Figure) for figure in drawn.values())


@pytest.fixture
def of_two_devices(tmp_path: Path) -> Path:
    """A study file with a front for each of two device models, a trial on each."""
    path = recorded_study(tmp_path)
    path.write_text(f"{path.read_text()}devices: each\n")
    for device, ratio in (("A GPU", 0.5), ("Another GPU", 0.7)):
        study = open_study(load_study_file(path), identity=Identity(engine={"float_type": "fp32"}, device=device))
        found = measured(0.39, ratio, device=device)
        attrs = TrialAttributes(candidate="max:64 3", measurement=found).as_stored()
        trial = optuna.trial.create_trial(values=values_of(found, study.objectives), user_attrs=attrs)
        study.study.add_trial(trial)
    return path


def test_a_report_lays_the_fronts_of_all_devices_over_one_another(of_two_devices: Path, tmp_path: Path) -> None:
    write_report([load_study_file(of_two_devices)], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<figure id='fronts'>" in page
    for device in ("A GPU", "Another GPU"):
        assert f"yolo11n-coco-cpu @ {device}" in page


def test_a_notebook_opens_the_front_of_the_device_that_it_names(of_two_devices: Path) -> None:
    (point,) = qpareto.open(of_two_devices, device="Another GPU").results.front
    assert point.measurement.provenance.device == "Another GPU"
    with pytest.raises(StudyError, match="name one of 'A GPU', 'Another GPU'"):
        qpareto.open(of_two_devices)


def test_a_dashboard_is_of_one_device_which_is_to_be_named_where_there_are_several(of_two_devices: Path) -> None:
    refused = command("dashboard", of_two_devices, "--port", "0").sentence
    assert "name one of 'A GPU', 'Another GPU'" in refused
    served: list[str] = []

    def ready(url: str) -> None:
        served.append(url)
        raise KeyboardInterrupt

    spec = load_study_file(of_two_devices)
    with pytest.raises(KeyboardInterrupt):
        dashboard_of_study(spec, Address(port=0), study_file="mine.yaml", device="Another GPU", ready=ready)
    assert served[0].endswith(f"/dashboard/studies/{open_study(spec, device='Another GPU').id}")
