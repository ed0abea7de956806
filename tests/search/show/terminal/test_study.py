"""What the end of a run and `qpareto front` show: the answer first, six columns, what to type next."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from made_up_trials import TIE, measured, results_of, trial, typical_results, view_of
from qpareto.errors import CandidateError
from qpareto.search.results.study_results import Results
from qpareto.search.show.terminal.study import show_study


def confirmed_results(confirmations: Mapping[int, Any]) -> Results:
    """The typical study, some of it measured once more."""
    records = typical_results().records
    objectives = ("map50_95", "latency_ms")
    return Results(records, objectives=objectives, float_type="fp32", confirmations=confirmations)


def shown(capsys: pytest.CaptureFixture[str], results: Results, *, wide: bool = False, trials: int = 9) -> str:
    show_study(view_of(results), ["my study.yaml"], trials=trials, wide=wide)
    out, err = capsys.readouterr()
    assert err == ""
    return re.sub(r"\x1b\[[0-9;]*m", "", out)


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name, value in (("TERM", "xterm"), ("NO_COLOR", "1"), ("COLUMNS", "80")):
        monkeypatch.setenv(name, value)


def commands(out: str) -> list[str]:
    return [line.strip() for line in out.partition("Next:\n")[2].splitlines()]


def test_the_answer_comes_first_and_what_to_type_last(capsys: pytest.CaptureFixture[str]) -> None:
    found = results_of(
        trial(0, measured(0.4, 1.0, mask="0", int8_layers=()), baseline="float"), trial(1, measured(0.395, 0.5))
    )
    ship, sure, *_ = shown(capsys, found, trials=2).splitlines()
    assert ship == (
        "Ship trial 1: 2.00x faster than the float engine (95 % 1.92x to 2.04x), at -0.0050 mAP50-95 "
        "(95 % -0.0070 to -0.0020)."
    )
    assert sure == (
        "How sure: over 99 % that it is faster and loses at most 0.01, measured on 328 images by a search, "
        "which picks lucky figures: run `qpareto confirm`."
    )
    show_study(view_of(found), ["my study.yaml"], trials=2)
    assert commands(capsys.readouterr().out) == [
        "qpareto confirm 'my study.yaml'",
        "qpareto report 'my study.yaml' -o report.html",
        "qpareto export 'my study.yaml' -o best --trial 1",
    ]


@pytest.mark.parametrize("wide", [False, True])
def test_an_exported_engine_that_stays_the_answer_is_shown_though_another_is_a_hair_ahead(
    wide: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        trial(0, measured(0.4, 1.0, mask="0", int8_layers=()), baseline="float"),
        trial(1, measured(0.395, 0.5, mask="6", **TIE)),
        trial(2, measured(0.396, 0.505, mask="7", **TIE)),
    ]
    fresh = {1: measured(0.395, 0.51, mask="6", flags=("foreign_load",), **TIE)}
    again = {2: measured(0.396, 0.505, mask="7", **TIE)}
    objectives = ("map50_95", "latency_ms")
    found = Results(records, objectives=objectives, float_type="fp32", confirmations=again, fresh=fresh)
    out = shown(capsys, found, wide=wide, trials=3)
    assert out.startswith("Ship trial 1: ")
    assert "Trial 2 is ahead of trial 1 by these figures, but not beyond doubt." in out
    front, _, off = out.partition("The answer, off the front")
    before, behind = ([line.split()[0] for line in of.splitlines() if line[1:2].isdigit()] for of in (front, off))
    assert before[:2] == ["2", "0"]
    assert "1" not in before
    assert behind == ["1"]
    assert "* Doubtful timing of trial 1: other programs used the CPU meanwhile." in out


def test_a_study_that_is_not_done_is_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    first, *others = commands(shown(capsys, typical_results(), trials=40))
    assert first == "qpareto run 'my study.yaml'"
    assert [command.split()[1] for command in others] == ["report", "export"]


def test_a_confirmed_study_is_told_by_its_second_figures_and_ends_with_verify(
    capsys: pytest.CaptureFixture[str],
) -> None:
    again = {0: measured(0.41, 1.0, dataset_hash="other", images=250)}
    again |= {4: measured(0.405, 0.71, dataset_hash="other", images=250, map50_95_change=-0.005)}
    again |= {5: measured(0.3, 0.72, dataset_hash="other", images=250, map50_95_change=-0.11)}
    out = shown(capsys, confirmed_results(again))
    assert "Front, confirmed on 250 images" in out
    assert "Not confirmed yet: trial 3." in out
    assert "mAP50-95 is of different images (trial 0, 4 on 250; trial 1, 2, 3 on 328): compare changes, not" in out
    front, *_ = out.partition("Baselines off the front")
    assert [line.split()[0] for line in front.splitlines() if line[1:2].isdigit()] == ["4", "3", "0"]  # not 5
    assert "0.4050" in out
    assert "0.3950" not in out, "the search's figure is for --wide"
    assert [command.split()[1] for command in commands(out)] == ["confirm", "report", "export"]
    again |= {1: measured(0.38, 0.6), 3: measured(0.399, 0.55, float_type="bf16")}
    out = shown(capsys, confirmed_results(again))
    assert [command.split()[1] for command in commands(out)] == ["report", "export", "verify"]
    wide = shown(capsys, confirmed_results(again), wide=True)
    assert "Measured once more, on" in wide


def test_a_point_that_could_not_be_measured_once_more_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, confirmed_results({4: CandidateError("It crashed."), 5: measured(0.39, 0.6)}))
    assert "Could not be built or measured once more: trial 4." in out
    assert "Not confirmed yet: trial 3, 0." in out


def test_everything_fits_a_terminal_of_80_columns_in_six_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)
    out = shown(capsys, typical_results())
    assert "…" not in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    heads = [line.split("  ") for line in out.splitlines() if line.strip().startswith("trial  ")]
    told = [[word.strip() for word in head if word.strip()] for head in heads]
    assert told == [["trial", "mAP50-95", "change", "latency ms", "ratio", "speedup"]] * 2
    assert "2 ultralytics" in out
    assert "o front" not in out


def test_wide_shows_every_figure_and_in_a_terminal_a_plot(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)
    out = shown(capsys, typical_results(), wide=True)
    for text in (
        "95 % of ratio",
        "p90 ms",
        "p99 ms",
        "ties with",
        "INT8",
        "calibration",
        "o front   x baseline   * reference",
    ):
        assert text in out


def test_a_pipe_gets_a_sentence_a_line_and_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    show_study(view_of(typical_results()), ["s.yaml"], trials=9)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert all(line.endswith(".") for line in out.splitlines() if line.startswith(("Ship", "How", "*")))


def test_the_front_and_the_recipes_off_it_are_shown_and_what_is_doubtful(capsys: pytest.CaptureFixture[str]) -> None:
    front, beside = shown(capsys, typical_results()).split("Baselines off the front")
    assert [line.split()[0] for line in front.splitlines() if line.strip()[:1].isdigit()] == ["5", "4", "3", "0"]
    assert "3 bf16" in front
    for name in ("modelopt-max", "ultralytics"):
        assert name in beside
    assert "0.700*" in front
    assert "* Doubtful timing of trial 4: other programs" in beside
    assert "8 trials complete, 0 stopped early, 1 failed; hypervolume" in beside


def test_without_a_complete_trial_there_is_no_answer_and_only_run_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, results_of(trial(0, None)))
    assert out.startswith("No candidate has been measured in full yet")
    assert "0 trials complete, 0 stopped early, 1 failed" in out
    assert commands(out) == ["qpareto run 'my study.yaml'"]


def test_where_int8_does_not_pay_the_float_engine_is_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    slower = results_of(
        trial(0, measured(0.4, 1.0, mask="0", int8_layers=()), baseline="float"), trial(1, measured(0.399, 1.2))
    )
    out = shown(capsys, slower, trials=2)
    assert out.startswith("INT8 does not pay here")
    assert out.count("INT8 does not pay here") == 1
    assert "qpareto export 'my study.yaml' -o best --reference" in commands(out)
