"""The answer in two sentences, and who is ahead of it."""

from __future__ import annotations

import pytest

from made_up_trials import (
    TIE,
    measured,
    results_of,
    results_with_a_surer_answer,
    stopped,
    trial,
    typical_results,
    view_of,
)
from qpareto.search.results.study_results import Results
from qpareto.search.show.answer import answer
from qpareto.search.show.headline import headline
from qpareto.search.study.outcome import Outcome


def test_where_every_faster_engine_loses_too_much_the_nearest_is_named() -> None:
    lossy = results_of(
        trial(0, measured(0.4, 1.0, mask="0", int8_layers=()), baseline="float"), trial(1, measured(0.35, 0.8))
    )
    head = headline(view_of(lossy))
    assert head.best is None
    assert head.sentences == (
        "Ship the float engine: no other is faster at a loss of at most 0.01 mAP50-95.",
        "The nearest is trial 1: 1.25x faster, at -0.0500 mAP50-95 (95 % -0.0520 to -0.0470).",
    )


def test_the_answer_is_the_point_that_require_names_and_leaves_out_what_breaks_a_constraint() -> None:
    results = results_of(
        trial(0, measured(0.4, 1.0, mask="0", int8_layers=()), baseline="float"),
        trial(1, measured(0.396, 0.5)),
        trial(2, measured(0.397, 0.6)),
        trial(3, None, outcome=Outcome.PRUNED, stopped=stopped(0.38, 0.6)),
    )
    best = headline(view_of(results)).best
    assert best is not None
    assert best.trial == 1
    kept = headline(view_of(results, infeasible=frozenset({1}))).best
    assert kept is not None
    assert kept.trial == 2


def test_a_doubtful_timing_is_part_of_how_sure_the_answer_is() -> None:
    results = results_of(
        trial(0, measured(0.4, 1.0, mask="0", int8_layers=()), baseline="float"),
        trial(1, measured(0.396, 0.5, flags=("foreign_load",))),
    )
    assert (
        headline(view_of(results))
        .sentences[1]
        .endswith("; its timing is doubtful: other programs used the CPU meanwhile.")
    )


@pytest.mark.parametrize(("ratio", "best"), [(0.59, 4), (0.8, 5)])
def test_what_was_exported_stays_the_answer_unless_another_surely_beats_it(ratio: float, best: int) -> None:
    records = typical_results().records
    fresh = {4: measured(0.392, ratio, map50_95_change=-0.008)}
    objectives = ("map50_95", "latency_ms")
    faster = [record for record in records if record.baseline != "bf16"]
    again = {5: measured(0.393, 0.58, map50_95_change=-0.007)}
    found = Results(faster, objectives=objectives, float_type="fp32", confirmations=again, fresh=fresh)
    head = headline(view_of(found))
    assert head.best is not None
    assert head.best.trial == best


def test_an_engine_that_is_ahead_of_the_answer_by_the_figures_is_named_and_why_it_is_not_the_answer() -> None:
    results = results_with_a_surer_answer()
    found = headline(view_of(results))
    assert found.best is not None
    assert found.best.trial == 1
    # 0.006 to the limit are 1.18 standard deviations, of which 1.96 are 0.01
    assert found.ahead == "Trial 2 is ahead of trial 1 by these figures, but only 88 % sure to keep that limit."
    assert answer(view_of(results))[1] == found.ahead
    assert headline(view_of(results_of(*results.records[:2]))).ahead is None


def test_an_engine_that_is_ahead_but_not_confirmed_is_named_so() -> None:
    records = [
        trial(0, measured(0.4, 1.0, mask="0", int8_layers=()), baseline="float"),
        trial(1, measured(0.397, 0.5, mask="6")),
        trial(2, measured(0.3975, 0.49, mask="7")),
    ]
    objectives = ("map50_95", "latency_ms")
    again = {1: measured(0.396, 0.5, mask="6", dataset_hash="other")}
    found = Results(records, objectives=objectives, float_type="fp32", confirmations=again)
    head = headline(view_of(found))
    assert head.best is not None
    assert head.best.trial == 1
    assert head.ahead == "Trial 2 is ahead of trial 1 by these figures, but is not confirmed yet."


def test_an_exported_engine_that_is_less_sure_than_who_is_ahead_of_it_stays_the_answer_within_doubt() -> None:
    unsure = measured(0.395, 0.51, mask="6", map50_95_change=-0.005, map50_95_change_ci=(-0.012, 0.002), **TIE)
    sure = measured(0.396, 0.5, mask="7", map50_95_change=-0.004, map50_95_change_ci=(-0.008, 0.0), **TIE)
    records = [
        trial(0, measured(0.4, 1.0, mask="0", int8_layers=()), baseline="float"),
        trial(1, unsure),
        trial(2, sure),
    ]
    objectives = ("map50_95", "latency_ms")
    again = {2: sure}
    found = Results(records, objectives=objectives, float_type="fp32", confirmations=again, fresh={1: unsure})
    head = headline(view_of(found))
    assert head.best is not None
    assert head.best.trial == 1
    assert head.ahead == "Trial 2 is ahead of trial 1 by these figures, but not beyond doubt."
