"""The dashboard in a real browser, on a study that was really run."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
import pytest

from command_line import IN_A_PROCESS, qpareto
from recorded_study import recorded_study

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

PATIENCE_S = 60.0


@contextmanager
def served(study_file: Path) -> Iterator[str]:
    """The address of a dashboard in a process of its own, once it has published."""
    command = [*IN_A_PROCESS, "dashboard", str(study_file), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        deadline = time.monotonic() + PATIENCE_S
        while len(study_of(url)["plotly_graph_objects"]) < 2 and time.monotonic() < deadline:
            time.sleep(0.5)
        time.sleep(1)  # and the trials' notes, which come last
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.fixture
def address(finished_copy: Path) -> Iterator[str]:
    with served(finished_copy) as url:
        yield url


def study_of(url: str) -> Any:
    """What the dashboard tells its page."""
    with urllib.request.urlopen(url.replace("/dashboard/", "/api/"), timeout=30) as answer:
        return json.load(answer)


def shown(browser: Chrome, url: str, *texts: str) -> str:
    """The page's text once it has all of these."""
    browser.get(url)
    deadline = time.monotonic() + PATIENCE_S
    body = ""
    while time.monotonic() < deadline:
        body = str(browser.execute_script("return document.body.innerText"))
        if all(text in body for text in texts):
            return body
        time.sleep(0.3)
    raise AssertionError(f"{[text for text in texts if text not in body]} are not shown in: {body[:2000]}")


def test_it_shows_names_with_units_and_our_plot(address: str, browser: Chrome) -> None:
    shown(browser, address, "mAP50-95 (0 to 1)", "latency (ms)", "The front", "reference (no INT8)")
    shown(browser, f"{address}/note", "Beside it: baselines", "qpareto export")


def test_importances_of_90_layers_are_drawn_and_can_be_read(tmp_path: Path, browser: Chrome) -> None:
    with served(recorded_study(tmp_path)) as url:
        shown(browser, url, "Hyperparameter Importance", "76 others, each")
        card = "document.getElementById('graph-hyperparameter-importances')"
        places = browser.execute_script(
            f"return [...{card}.querySelectorAll('.ytick text')].map(t => t.getBoundingClientRect().y)"
        )
        bars = browser.execute_script(f"return {card}.querySelectorAll('.bars path').length")
    assert bars == 2 * 17
    places = sorted(places)
    assert len(places) == 17  # every bar has its name
    assert min(after - before for before, after in pairwise(places)) >= 10  # pixels, so none lies on another


def test_it_shows_a_trials_note_and_its_files(address: str, browser: Chrome) -> None:
    shown(browser, f"{address}/trials?numbers=1", "Baseline: modelopt-max", "really ran so", "trial-1-quantized.onnx")


def test_a_trials_files_are_what_was_measured(address: str, tmp_path: Path) -> None:
    trial = study_of(address)["trials"][1]
    host, _, study_id = address.rpartition("/dashboard/studies/")
    found = {}
    for artifact in trial["artifacts"]:
        place = f"{host}/artifacts/{study_id}/{trial['trial_id']}/{artifact['artifact_id']}"
        with urllib.request.urlopen(place, timeout=60) as answer:
            found[artifact["filename"]] = answer.read()
    names = ("quantized.onnx", "engine.zip", "precision-recall.svg", "contact-sheet.jpg")
    assert set(found) == {f"trial-1-{name}" for name in names}
    model = onnx.load_from_string(found["trial-1-quantized.onnx"])
    assert any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    assert found["trial-1-engine.zip"].startswith(b"PK")
    assert b"this engine" in found["trial-1-precision-recall.svg"]
    sheet = cv2.imdecode(np.frombuffer(found["trial-1-contact-sheet.jpg"], np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    assert sheet.shape[1] == 2 * 480  # the reference beside this engine


def test_a_port_that_is_taken_is_told_in_a_sentence(finished_copy: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sentence = qpareto("dashboard", finished_copy, "--port", str(taken.getsockname()[1])).err.splitlines()[-1]
    assert "name another --port" in sentence


def test_there_is_no_dashboard_of_no_study(study_file: Path) -> None:
    assert "There is no study yet" in qpareto("dashboard", study_file, "--port", "0").err
