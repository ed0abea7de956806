"""What mAP hides, told of a real study of the quickstart's detector."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from command_line import qpareto
from made_up_trials import measured, results_of, trial
from qpareto.search.api import view_of_spec
from qpareto.search.run.prepare import scorer_of_spec
from qpareto.search.show.headline import headline
from qpareto.search.show.report.changes import NOT_HERE, NOTHING, Changes, changes_of_view, confidence_figure
from qpareto.search.show.report.page import report
from qpareto.search.show.trial_cache import TrialCache
from qpareto.search.show.view import StudyView
from qpareto.search.study_file.loading import load_study_file
from recorded_study import recorded_study

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


@pytest.fixture(scope="module")
def shapes_view(shapes_study: Path) -> StudyView:
    return view_of_spec(load_study_file(shapes_study))


@pytest.fixture(scope="module")
def cache(shapes_study: Path) -> TrialCache:
    return TrialCache(scorer_of_spec(load_study_file(shapes_study)))


@pytest.fixture(scope="module")
def changes(shapes_view: StudyView, cache: TrialCache) -> Changes:
    found = changes_of_view(shapes_view, cache, shown=True)
    assert isinstance(found, Changes)
    return found


def test_the_answer_is_told_with_the_images_that_it_changed_most(changes: Changes, shapes_view: StudyView) -> None:
    assert changes.trial == 1  # the only one with INT8 layers
    best = headline(shapes_view).best
    assert changes.role == ("the answer" if best and best.trial == 1 else "the knee of the front")
    assert changes.drift.images_seen == shapes_view.results.points[0].measurement.accuracy.images == 40
    assert changes.sheet is not None
    sheet = cv2.imdecode(np.frombuffer(changes.sheet, np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    assert sheet.shape[1] == 2 * 480
    assert sheet.shape[0] == 6 * (480 + 24)


def test_the_report_shows_it_and_stays_below_5_mb(changes: Changes, shapes_view: StudyView) -> None:
    page = report([shapes_view], [changes])
    assert len(page.encode()) < 5_000_000
    assert f"Trial 1, {changes.role}: its F1 is best from confidence" in page
    assert "What mAP hides" in page
    assert f"Left there, this engine's F1 is {changes.drift.confidence.f1_kept:.3f}" in re.sub(r"\s+", " ", page)
    for told in ("object size", changes.drift.classes[0].name, "src='data:image/jpeg;base64,"):
        assert told in page
    assert all(image.file_name in page for image in changes.drift.images[:6])


@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_the_images_within_a_phone_or_a_window(
    changes: Changes, shapes_view: StudyView, tmp_path: Path, browser: Chrome, width: int
) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    path = tmp_path / "report.html"
    path.write_text(report([shapes_view], [changes]))
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(path.as_uri())
    WebDriverWait(browser, 60).until(lambda b: b.execute_script("return document.body.dataset.drawn") == "yes")
    image = "document.querySelector('img')"
    assert browser.execute_script(f"return {image}.naturalWidth") == 2 * 480
    assert browser.execute_script(f"return {image}.getBoundingClientRect().right") <= width
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_report_of_several_studies_draws_no_images(shapes_view: StudyView, cache: TrialCache) -> None:
    found = changes_of_view(shapes_view, cache, shown=False)
    assert isinstance(found, Changes)
    assert found.sheet is None
    page = report([shapes_view, shapes_view], [found, found])
    assert page.count("What mAP hides") == 2
    assert "data:image/jpeg" not in page


def test_it_says_in_a_sentence_what_is_not_in_this_cache(shapes_view: StudyView, cache: TrialCache) -> None:
    elsewhere = results_of(trial(0, measured(0.4, 1.0, int8_layers=(), mask="0")), trial(1, measured(0.39, 0.5)))
    told = changes_of_view(replace(shapes_view, results=elsewhere), cache, shown=True)
    assert told == NOT_HERE
    nothing = results_of(trial(0, measured(0.4, 1.0, int8_layers=(), mask="0")))
    assert changes_of_view(replace(shapes_view, results=nothing), cache, shown=True) == NOTHING


def test_why_nothing_is_told_stays_on_the_machine_that_writes_the_report(tmp_path: Path) -> None:
    outcome = qpareto("report", recorded_study(tmp_path), "-o", tmp_path / "report.html")
    assert outcome.code == 0
    assert "does not tell how detections changed: There is no model at" in outcome.err
    page = (tmp_path / "report.html").read_text()
    assert escape(NOT_HERE) in page
    assert str(tmp_path) not in page  # no folder of ours is sent to somebody


def test_the_confidence_figure_marks_the_best_of_both_curves(changes: Changes) -> None:
    shift = changes.drift.confidence
    ours, our_best, reference, its_best = confidence_figure(shift, name="trial 1").data
    assert max(ours.y) == our_best.y[0] == shift.best_f1
    assert max(reference.y) == its_best.y[0] == shift.reference_best_f1
    assert its_best.x[0] == shift.reference_best
