from __future__ import annotations

from dataclasses import replace

import pytest

from made_up_trials import measured
from qpareto.objectives.accuracy.parity import Parity
from qpareto.objectives.accuracy.scored import ScoredClasses
from qpareto.objectives.interval import Interval
from qpareto.search.show.terminal.candidate import show_doctor, show_layers, show_measurement


def test_what_is_piped_has_no_colours_and_is_not_squeezed(capsys: pytest.CaptureFixture[str]) -> None:
    name = "/model.23/" + "long/" * 12 + "Conv[0]"
    show_layers([{"name": name, "op": "Conv", "block": "model.23", "macs": 1, "quantizable": False, "no_kernel": None}])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert name in out  # on one line, its brackets no markup
    assert any(len(line) > 80 for line in out.splitlines())


def test_a_measurement_is_shown_with_its_intervals_and_what_disturbed_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_measurement(measured(0.38, 0.6, flags=("foreign_load",)))
    out = capsys.readouterr().out
    for text in ("0.3800 (-0.0200, 95 % -0.0220 to -0.0170)", "- / 0.3000 / 0.5000", "foreign_load", "A CPU [of ours]"):
        assert text in out
    assert "p90 14.400 (<= 14.700) ms, p99 15.600 (<= -) ms" in out


def test_a_detector_is_held_against_its_graph_by_boxes_and_scores(capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(0.38, 0.6)
    parity = Parity(images=8, boxes=124, box_error=0.0121, box_shift=0.0005, score_error=0.0343)
    show_measurement(replace(found, engine=replace(found.engine, parity=parity)))
    said = "boxes off by 0.0121 of their size, shifted by 0.0005; scores by 0.0343 (124 boxes, 8 images)"
    assert said in capsys.readouterr().out


def test_a_classifier_is_held_against_its_graph_by_scores_alone(capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(0.38, 0.6)
    change = Interval(-0.01, -0.02, 0.0)
    scored = ScoredClasses(top1=0.7, top5=0.9, per_class={"cat": 0.7}, change=change, images=99, dataset_hash="d")
    parity = Parity(images=8, boxes=8, box_error=0.0, box_shift=0.0, score_error=0.0123)
    show_measurement(replace(found, accuracy=scored, engine=replace(found.engine, parity=parity)))
    out = capsys.readouterr().out
    assert "scores off by 0.0123 (8 images)" in out
    assert "boxes" not in out


def test_what_an_engine_kind_cannot_do_is_shown_with_what_mends_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_doctor({"some": {"can_build": True, "can_run": False, "reason": "Install [it].", "details": {"a": "b"}}})
    out = capsys.readouterr().out
    for text in ("some", "yes", "no", "Install [it].", "a: b"):
        assert text in out
