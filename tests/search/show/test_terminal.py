from __future__ import annotations

import re
import sys

import pytest

from made_up_trials import measured, results_of, stopped, trial, typical_results
from qpareto.search.show.terminal import progress, show_doctor, show_layers, show_measurement, show_results


def test_the_front_and_the_baselines_beside_it_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_results(typical_results())
    out, err = capsys.readouterr()
    front, beside = out.split("Baselines beside it")
    assert [line.split()[0] for line in front.splitlines() if line.strip()[:1].isdigit()] == ["5", "4", "3", "0"]
    assert "3 bf16" in front
    for name in ("modelopt-max", "ultralytics"):
        assert name in beside
    assert "0.700*" in front  # doubtful, and told below
    assert "* Doubtful timing of trial 4" in beside
    assert "8 trials complete, 0 stopped early, 1 failed" in out
    assert err == ""
    assert "o front" not in out  # the plot is for terminals


@pytest.mark.parametrize("columns", ["80", "160"])
def test_a_terminal_gets_a_plot_and_tables_that_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    show_results(typical_results())
    tables, plot = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).split(" mAP50-95\n")
    assert "o front   x recipe   * reference   . measured" in plot
    assert "…" not in tables
    assert max(len(line.rstrip()) for line in tables.splitlines()) <= int(columns)
    assert ("95 % of ratio" in tables) == (columns == "160")
    assert "2 ultralytics" in tables


def test_what_is_piped_has_no_colours_and_is_not_squeezed(capsys: pytest.CaptureFixture[str]) -> None:
    show_results(typical_results())
    name = "/model.23/" + "long/" * 12 + "Conv[0]"
    show_layers([{"name": name, "op": "Conv", "block": "model.23", "macs": 1, "quantizable": False}])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert name in out  # on one line, its brackets no markup
    assert any(len(line) > 80 for line in out.splitlines())


def test_a_study_without_a_complete_trial_is_shown_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    show_results(results_of(trial(0, None)))
    assert "0 trials complete, 0 stopped early, 1 failed; hypervolume 0.0000" in capsys.readouterr().out


def test_a_measurement_is_shown_with_its_intervals_and_what_disturbed_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_measurement(measured(0.38, 0.6, flags=("foreign_load",)))
    out = capsys.readouterr().out
    for text in ("0.3800 (-0.0200, 95 % -0.0220 to -0.0170)", "- / 0.3000 / 0.5000", "foreign_load", "A CPU [of ours]"):
        assert text in out


def test_what_an_engine_kind_cannot_do_is_shown_with_what_mends_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_doctor({"some": {"can_build": True, "can_run": False, "reason": "Install [it].", "details": {"a": "b"}}})
    out = capsys.readouterr().out
    for text in ("some", "yes", "no", "Install [it].", "a: b"):
        assert text in out


def test_progress_tells_every_trial_in_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "The engine crashed " + "again and again " * 20
    with progress(total=3) as listener:
        for record in (
            trial(0, measured(0.4, 1.0), baseline="float"),
            trial(1, measured(0.38, 0.6), reused_from=0),
            trial(2, None, reason=reason),
            trial(3, None, state="pruned", stopped=stopped(0.38, 0.6), reused_from=2),
        ):
            listener.begin(record.number, "max:16 2/2 INT8 3", finished=record.number)
            listener.end(record)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(":")[0] for line in err.splitlines()] == ["trial 0", "trial 1", "trial 2", "trial 3"]
    first, second, third, fourth = err.splitlines()
    assert "float, mAP50-95 0.4000" in first
    assert second.endswith("2 INT8, as trial 0")
    assert third.endswith(f"failed: {reason}")
    assert fourth.startswith("trial 3: stopped after 41 of 328 images: in full, mAP50-95 would be about 0.3800 (")
    assert fourth.endswith("and trial 0, which is as fast, has 0.4000, as trial 2")
