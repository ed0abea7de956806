"""The recorded study of YOLO11n, read once; and a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from copied_study import copied_study
from qpareto.search.show.view import StudyView
from recorded_study import recorded_view

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


@pytest.fixture(scope="session")
def view(tmp_path_factory: pytest.TempPathFactory) -> StudyView:
    """Five recipes, 35 trials of the search, a stopped and a failed one."""
    return recorded_view(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """Chromium without a window and without a network beyond this machine."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"):
        options.add_argument(argument)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


@pytest.fixture
def finished_copy(finished_study: Path, tmp_path: Path) -> Path:
    """The file of a finished study that may be written to."""
    return copied_study(finished_study, tmp_path / "finished")
