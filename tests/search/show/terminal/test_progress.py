from __future__ import annotations

import pytest

from made_up_trials import measured, stopped, trial
from qpareto.search.show.terminal.progress import progress
from qpareto.search.study.outcome import Outcome


def test_progress_tells_every_trial_in_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "The engine crashed " + "again and again " * 20
    ended = [
        trial(0, measured(0.4, 1.0), baseline="float"),
        trial(1, measured(0.38, 0.6), reused_from=0),
        trial(2, None, reason=reason),
        trial(3, None, outcome=Outcome.PRUNED, stopped=stopped(0.38, 0.6)),
    ]
    with progress(total=4) as listener:
        for record in ended:
            listener.begin(record.number, "max:16 2/2 INT8 3", finished=record.number)
            listener.end(record)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "trial 0: float: mAP50-95 0.4000, 20.000 ms, 1.00x faster, 2 INT8",
        "trial 1: as trial 0: mAP50-95 0.3800, 1.67x faster",
        f"trial 2: failed: {reason}",
        "trial 3: stopped, beaten by trial 0: mAP50-95 about 0.380, 1.67x faster",
    ]


def test_the_longest_line_of_a_trial_that_did_not_fail_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    slow = measured(0.3812, 1.1, latency_ms=123.456)
    with progress(total=4) as listener:
        for record in (
            trial(999, slow, baseline="modelopt-entropy", reused_from=998),
            trial(998, slow, baseline="modelopt-entropy"),
            trial(997, None, outcome=Outcome.PRUNED, stopped=stopped(0.38, 1.1), reused_from=996),
        ):
            listener.end(record)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
