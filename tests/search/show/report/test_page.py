from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from command_line import qpareto
from made_up_trials import results_of
from qpareto.search.show.report.page import report
from qpareto.search.show.view import StudyView
from recorded_study import recorded_study

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


def console(browser: Any) -> Any:
    """What the browser has told its console since it was last asked; Selenium gives no types for it."""
    return browser.get_log("browser")


def test_it_says_when_there_is_no_answer_yet(view: StudyView) -> None:
    from dataclasses import replace

    assert "No candidate has been measured" in report([replace(view, results=results_of())])


def test_it_ships_what_front_ships(tmp_path: Path) -> None:
    study = recorded_study(tmp_path)
    (shipped,) = re.findall(r"Ship trial \d+: [\d.]+x faster", " ".join(qpareto("front", study).out.split()))
    qpareto("report", study, "-o", tmp_path / "report.html")
    assert f"<ul class='answer'><li>{shipped}" in (tmp_path / "report.html").read_text()


def test_it_is_one_file_below_5_mb_that_names_no_other_place(view: StudyView) -> None:
    page = report([view])
    assert len(page.encode()) < 5_000_000
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert "The engine crashed." in page  # what failed, with its reason


def test_what_a_name_holds_is_text_and_no_markup(view: StudyView) -> None:
    from dataclasses import replace

    page = report([replace(view, name="</script><b>bold")])
    assert "<b>bold" not in page


def test_several_studies_are_compared(tmp_path: Path) -> None:
    one, other = recorded_study(tmp_path), recorded_study(tmp_path, run="tpe", name="by-tpe")
    outcome = qpareto("report", one, other, "-o", tmp_path / "both.html")
    assert outcome.out == f"{tmp_path / 'both.html'}\n"
    page = (tmp_path / "both.html").read_text()
    assert "<figure id='fronts'>" in page
    assert page.count("yolo11n-coco-cpu: reference") >= 1
    assert page.count("by-tpe: reference") >= 1


def wait_until_drawn(browser: Chrome) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and browser.execute_script("return document.body.dataset.drawn") is None:
        time.sleep(0.2)
    assert browser.execute_script("return document.body.dataset.drawn") == "yes"


def test_a_browser_without_a_network_opens_it_and_draws_every_figure(
    view: StudyView, tmp_path: Path, browser: Chrome
) -> None:
    path = tmp_path / "report.html"
    path.write_text(report([view]))
    console(browser)
    browser.get(path.as_uri())
    wait_until_drawn(browser)
    assert browser.execute_script("return document.querySelectorAll('.plot .main-svg').length") >= 5
    assert console(browser) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_no_wider_than_a_phone_or_a_window(
    view: StudyView, tmp_path: Path, browser: Chrome, width: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(report([view]))
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(path.as_uri())
    wait_until_drawn(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_png_are_drawn_for_slides(view: StudyView, tmp_path: Path, browser: Chrome) -> None:
    from qpareto.search.show.plots import growth_figure
    from qpareto.search.show.plots.files import write_pngs

    del browser  # skips where there is no Chromium
    (path,) = write_pngs({"growth": growth_figure([view])}, tmp_path / "report.html")
    assert path.name == "report-growth.png"
    assert path.read_bytes().startswith(b"\x89PNG")
