from __future__ import annotations

import pytest

from made_up_trials import measured
from qpareto.objectives.interval import Interval
from qpareto.objectives.latency.percentiles import Percentile
from qpareto.search.wording import (
    accuracy,
    change,
    faster,
    int8_in_words,
    int8_layers,
    interval,
    percent,
    ratio,
    slow_run,
    speedup,
    with_interval,
)


def test_a_change_that_rounds_to_nothing_has_no_minus() -> None:
    assert [change(value) for value in (-0.00001, 0.0, 0.0001, -0.0103)] == [
        "+0.0000",
        "+0.0000",
        "+0.0001",
        "-0.0103",
    ]


def test_an_accuracy_that_no_object_gave_is_a_dash() -> None:
    assert [accuracy(value) for value in (0.40444, None)] == ["0.4044", "-"]


PART = Interval(0.5821, 0.57, 0.6)


def test_an_interval_is_written_by_the_rule_of_its_figure() -> None:
    assert interval(Interval(-0.001, -0.01, 0.002), change) == "-0.0100 to +0.0020"
    assert interval(PART, ratio, between="..") == "0.570..0.600"
    assert with_interval(PART, ratio) == "0.582 (0.570 to 0.600)"
    assert with_interval(PART, ratio, level="95 % ") == "0.582 (95 % 0.570 to 0.600)"


def test_a_ratio_is_a_speedup_the_other_way_round() -> None:
    assert speedup(0.582) == "1.72x"
    assert [faster(value) for value in (0.582, 1.0, 1.1)] == ["1.72x faster", "1.00x faster", "1.10x slower"]
    assert [faster(value) for value in (0.998, 1.002, 1.006)] == ["1.00x faster", "1.00x faster", "1.01x slower"]


@pytest.mark.parametrize(
    ("ran", "cell", "words"), [(None, "2", ""), (2, "2", " (2 really ran so)"), (1, "2, 1 ran", " (1 really ran so)")]
)
def test_layers_that_did_not_run_in_int8_are_said(ran: int | None, cell: str, words: str) -> None:
    found = measured(0.39, 0.6, int8_ran=ran).engine
    assert int8_layers(found) == cell
    assert int8_in_words(found) == f"2 layers in INT8{words}"


def test_what_is_not_known_of_slow_runs_is_a_dash() -> None:
    known = [(3.21, 3.35), (3.21, None), (None, 3.0)]
    written = [slow_run(Percentile(ms=ms, bound_ms=bound_ms)) for ms, bound_ms in known]
    assert written == ["3.210 (<= 3.350)", "3.210 (<= -)", "-"]


def test_no_probability_is_written_as_certain() -> None:
    assert [percent(value) for value in (0.0, 0.5, 0.99, 1.0)] == ["under 1 %", "50 %", "99 %", "over 99 %"]
