from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from made_up_trials import measured, results_of, trial, typical_results
from qpareto.errors import CandidateError
from qpareto.search.results.compliance import Answer, answer
from qpareto.search.results.requirements import Requirements
from qpareto.search.results.study_results import Results
from qpareto.search.show.terminal.requirements import show_answer


def answered(results: Results, *requirements: str) -> Answer:
    return answer(results, Requirements.parse(requirements))


def confirmed(again: Any) -> Results:
    """A study of one point: mAP 0.395 at half the time."""
    found = [trial(0, measured(0.395, 0.5))]
    objectives = ("map50_95", "latency_ms")
    return Results(found, objectives=objectives, float_type="fp32", confirmations={0: again})


def shown(capsys: pytest.CaptureFixture[str], found: Answer) -> str:
    show_answer(found, ["study.yaml"])
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("limit", ["0.75", "0.57", "0.3"])
def test_every_answer_fits_a_terminal_of_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name, value in (("TERM", "xterm"), ("NO_COLOR", "1"), ("COLUMNS", "80")):
        monkeypatch.setenv(name, value)
    found = answered(typical_results(), "yolo-95", f"latency_ratio={limit}", "engine_mib=123.25")
    out = re.sub(r"\x1b\[[0-9;]*m", "", shown(capsys, found))
    assert "…" not in out
    assert max(len(line) for line in out.splitlines()) <= 80


def test_a_pipe_gets_a_sentence_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, answered(typical_results(), "map_drop=0.02", "latency_ratio=0.99", "engine_mib=123.25"))
    assert "\x1b" not in out
    assert all(line.endswith((".", ":")) for line in out.splitlines() if line.startswith(("Yes", "Trial", "Not")))


def test_a_yes_that_hangs_on_an_interval_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, answered(confirmed(None), "map_drop=0.006", "latency_ratio=0.75"))
    assert out.startswith("Yes, but not surely: trial 0 keeps map_drop=0.006 and latency_ratio=0.75 (")
    assert "(probability 84 %, not confirmed)." in out  # 0.001 is half of the interval's arm of 0.002
    assert "by the figure, but its interval crosses the limit" in out


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (confirmed(None), "a search picks lucky figures, .* `qpareto confirm study.yaml` measures the front once more"),
        (confirmed(measured(0.395, 0.5, dataset_hash="other", images=250)), "Confirmed: .* on 250 other images, which"),
        (
            confirmed(measured(0.395, 0.5)),
            "on the same 328 images .* the search had map_drop 0.0050, ",
        ),
        (results_of(trial(2, measured(0.395, 0.5), baseline="max")), "no search picked this baseline for its figures"),
        (
            results_of(trial(2, measured(0.395, 0.5, flags=("throttled",)))),
            "Doubtful timing: the GPU lowered",
        ),
        (results_of(trial(2, measured(0.395, 0.5, int8_layers=()))), "the reference itself: .*, no INT8 layer"),
    ],
)
def test_whether_the_point_was_held_to_account_is_said(
    capsys: pytest.CaptureFixture[str], results: Results, said: str
) -> None:
    assert re.search(said, shown(capsys, answered(results, "map_drop=0.01", "latency_ratio=0.75")))


def test_a_point_off_the_front_is_measured_anew_by_its_export(capsys: pytest.CaptureFixture[str]) -> None:
    study = results_of(trial(0, measured(0.4, 0.5, engine_bytes=9 << 20)), trial(1, measured(0.395, 0.6)))
    out = shown(capsys, answered(study, "engine_mib=4"))
    assert "Trial 1, off the front" in out
    assert "so the probability is too high until `export` does" in out


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (measured(0.395, 0.51), r"latency_ratio 0\.510 is 0\.005 above 0\.505 \(within its 95 % interval\)"),
        (measured(0.395, 0.51), r"kept all in the search, but not when it was confirmed"),
        (CandidateError("The engine crashed."), r"could not be measured once more: The engine crashed\."),
    ],
)
def test_a_point_that_its_confirmation_refutes_is_told_as_such(
    capsys: pytest.CaptureFixture[str], again: Any, said: str
) -> None:
    out = shown(capsys, answered(confirmed(again), "latency_ratio=0.505", "map_drop=0.01"))
    assert out.startswith("No: none of the 1 measured points keeps latency_ratio=0.505 and map_drop=0.01.")
    assert re.search(said, out)


def test_what_is_missed_and_what_is_kept_are_told_of_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, answered(typical_results(), "map50_95=0.41", "latency_ratio=0.8"))
    assert (
        "trial 3 bf16: map50_95 0.3990 is 0.0110 below 0.41 (beyond its 95 % interval); keeps latency_ratio (0.750)"
        in out
    )
    assert "on the front, bf16, not confirmed" in out
