from __future__ import annotations

import re
from typing import Any

import pytest

from made_up_trials import measured, results_of, trial, typical_results
from qpareto.errors import StudyError
from qpareto.objectives.measurement import Measurement
from qpareto.search.results.points import Point
from qpareto.search.ship.choice import Choice, chosen


@pytest.mark.parametrize("asked", [{}, {"trial": 0, "knee": True}, {"max_map_drop": 0.1, "max_latency_ms": 5.0}])
def test_exactly_one_wish_is_taken(asked: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match="Say which engine, once"):
        Choice(**asked)


def test_a_wish_of_zero_is_a_wish() -> None:
    assert chosen(typical_results(), Choice(trial=0))[0].trial == 0
    assert chosen(typical_results(), Choice(max_map_drop=0.0))[0].trial == 0


def test_the_fastest_within_a_drop_of_map_is_chosen_and_the_sentence_says_so() -> None:
    winner, sentence = chosen(typical_results(), Choice(max_map_drop=0.006))
    assert winner.trial == 4
    assert sentence == (
        "Trial 4: the fastest that loses at most 0.006 mAP50-95 against the reference; "
        "mAP50-95 0.3950 (-0.0050), 14.000 ms (0.700 of the reference), from the search."
    )


def test_a_drop_that_a_point_meets_exactly_is_met() -> None:
    third, tenth = 1 / 3, 0.1
    found = results_of(
        trial(0, measured(third, 0.9, map50_95_change=third - (third + tenth))),
        trial(1, measured(0.05, 0.1, map50_95_change=0.05 - (third + tenth))),
    )
    assert chosen(found, Choice(max_map_drop=tenth))[0].trial == 0


def test_the_most_accurate_within_a_latency_is_chosen() -> None:
    winner, sentence = chosen(typical_results(), Choice(max_latency_ms=12.0))
    assert winner.trial == 5
    assert "the most accurate within 12 ms" in sentence


def test_the_reference_is_chosen_wherever_it_stands() -> None:
    winner, sentence = chosen(typical_results(), Choice(reference=True))
    assert winner.measurement.engine.int8_layers == ()
    assert sentence.startswith("Trial 0 float, the reference, as asked: no layer in INT8; mAP50-95 0.4000")


def test_a_reference_that_was_never_measured_is_refused_with_the_way_out() -> None:
    found = results_of(trial(0, measured(0.3, 0.9)))
    with pytest.raises(StudyError, match=r"search\.baselines=true"):
        chosen(found, Choice(reference=True))


def test_the_knee_is_chosen() -> None:
    winner, sentence = chosen(typical_results(), Choice(knee=True))
    assert winner.trial in {3, 4, 5}
    assert "the knee of the front" in sentence


def test_a_trial_is_chosen_by_its_number_on_the_front_or_not() -> None:
    for number in (0, 1, 3, 6):
        winner, sentence = chosen(typical_results(), Choice(trial=number))
        assert winner.trial == number
        assert sentence.startswith(f"Trial {winner.title}, as asked; mAP50-95 ")
        warning = "Beyond doubt faster or more accurate, and no worse otherwise: trial 3 bf16, trial 4, trial 5."
        assert (warning in sentence) == (number == 6)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(trial=7), "no complete trial 7"),
        (Choice(trial=99), "no complete trial 99"),
        (Choice(trial=8), "Trial 8 is the same engine as trial 5: name that one"),
        (Choice(max_latency_ms=1.0), r"No point of the front runs within 1 ms; the nearest are trial 5: .* 11.600 ms"),
    ],
)
def test_a_wish_that_nothing_satisfies_is_refused(choice: Choice, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        chosen(typical_results(), choice)


def test_there_is_nothing_to_choose_from_where_nothing_is_complete() -> None:
    with pytest.raises(StudyError, match="no complete trial yet"):
        chosen(results_of(trial(0, None)), Choice(knee=True))


def test_where_nothing_satisfies_a_wish_the_nearest_points_are_named_the_nearest_first() -> None:
    found = results_of(*(trial(i, measured(0.3 + i / 100, 0.5 + i / 10)) for i in range(5)))
    with pytest.raises(StudyError) as too_slow:
        chosen(found, Choice(max_latency_ms=1.0))
    assert re.findall(r"trial (\d)", str(too_slow.value)) == ["0", "1", "2"]
    with pytest.raises(StudyError, match=r"loses at most 0\.001 mAP50-95 against the reference") as too_rough:
        chosen(found, Choice(max_map_drop=0.001))
    assert re.findall(r"trial (\d)", str(too_rough.value)) == ["4", "3", "2"]


def test_a_drop_can_be_counted_from_a_named_baseline() -> None:
    winner, sentence = chosen(typical_results(), Choice(max_map_drop=0.001, below="modelopt-max"))
    assert winner.trial == 5  # within 0.001 of 0.38, and faster than the recipe itself
    assert "at most 0.001 mAP50-95 against modelopt-max" in sentence


def test_a_baseline_that_was_never_measured_is_refused_with_those_that_were() -> None:
    with pytest.raises(StudyError, match=r"no baseline 'nncf' for --below: it measured float, modelopt-max"):
        chosen(typical_results(), Choice(max_map_drop=0.001, below="nncf"))
    with pytest.raises(StudyError, match="--below names the baseline that --max-map-drop counts from"):
        Choice(knee=True, below="float")


@pytest.mark.parametrize(
    ("choice", "again", "said"),
    [
        (Choice(max_latency_ms=12.0), measured(0.38, 0.605), None),  # 12.1 ms, at least 11.9
        (Choice(max_latency_ms=12.0), measured(0.38, 0.62), r"takes 12\.400 ms \(at least 12\.200\), not 12"),
        (Choice(max_map_drop=0.01), measured(0.388, 0.6), None),  # at most 0.391
        (
            Choice(max_map_drop=0.01),
            measured(0.38, 0.6),
            r"is 0\.3800 \(at most 0\.3830\), not 0\.3900, .* below the ref",
        ),
        (Choice(knee=True), measured(0.1, 2.0), None),
    ],
)
def test_what_is_measured_anew_is_refused_only_beyond_its_interval(
    choice: Choice, again: Measurement, said: str | None
) -> None:
    point = Point(trial=4, measurement=measured(0.395, 0.7), baseline=None, fresh=again)
    reason = choice.refusal(point, typical_results())
    assert reason is None if said is None else re.search(said, reason or ""), reason
