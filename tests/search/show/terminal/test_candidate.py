from __future__ import annotations

import pytest

from made_up_trials import measured
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


def test_what_an_engine_kind_cannot_do_is_shown_with_what_mends_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_doctor({"some": {"can_build": True, "can_run": False, "reason": "Install [it].", "details": {"a": "b"}}})
    out = capsys.readouterr().out
    for text in ("some", "yes", "no", "Install [it].", "a: b"):
        assert text in out
