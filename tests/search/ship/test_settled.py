"""What an export ends with over made-up studies, against a slow reading of everything that was measured in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from made_up_trials import REFERENCE_MAP, measured, results_of, trial
from qpareto.errors import CandidateError, StudyError
from qpareto.objectives.measurement import Measurement
from qpareto.search.results.points import Point
from qpareto.search.results.study_results import Results
from qpareto.search.ship.choice import Choice, chosen, settled

changes_of_map = st.integers(-8, 2).map(lambda thousandths: thousandths * 0.002)  # few values, so that ties are common
ratios = st.integers(10, 24).map(lambda fiftieths: fiftieths / 20)
arms = st.sampled_from([(0.0005, 0.005), (0.004, 0.03)])  # half-widths of the two intervals
choices = st.one_of(
    st.sampled_from([0.0, 0.004, 0.01, 0.1]).map(lambda drop: Choice(max_map_drop=drop)),
    st.sampled_from([10.0, 14.0, 30.0]).map(lambda ms: Choice(max_latency_ms=ms)),
    st.just(Choice(knee=True)),
)


@st.composite
def measurements(draw: st.DrawFn, /, **changes: Any) -> Measurement:
    change, ratio, (up, across) = draw(changes_of_map), draw(ratios), draw(arms)
    fields: dict[str, Any] = {
        "map50_95_change_ci": (change - up, change + up),
        "latency_ratio_ci": (ratio - across, ratio + across),
    }
    return measured(REFERENCE_MAP + change, ratio, **fields | changes)


FLOAT: Mapping[str, Any] = {"int8_layers": (), "calibration": None}


@st.composite
def studies(draw: st.DrawFn) -> Results:
    """A reference, perhaps another float type, and masks; some of them confirmed on other images, or refuted."""
    exact = {"map50_95_change_ci": (0.0, 0.0), "latency_ratio_ci": (0.99, 1.01)}
    records = [trial(0, measured(REFERENCE_MAP, 1.0, **FLOAT, **exact), baseline="float")]
    if draw(st.booleans()):
        records.append(trial(1, draw(measurements(float_type="bf16", **FLOAT)), baseline="bf16"))
    records += [trial(number, draw(measurements())) for number in range(2, 2 + draw(st.integers(0, 6)))]
    again: dict[int, Measurement | CandidateError] = {}
    for record in records[1:]:
        of = {} if record.number != 1 else {"float_type": "bf16", **FLOAT}
        found = draw(st.none() | measurements(dataset_hash="other", images=250, **of) | st.just(CandidateError("No.")))
        if found is not None:
            again[record.number] = found
    return Results(records, objectives=("map50_95", "latency_ms"), float_type="fp32", confirmations=again)


def wished(choice: Choice) -> Callable[[Results], Choice]:
    """The same wish, whatever has been measured."""
    return lambda _: choice


def is_beaten(winner: Point, results: Results) -> list[int]:
    """Trials that are as good as the winner on both axes and beyond both intervals better on one, by hand."""
    found = []
    own = winner.decisive
    for point in results.points:
        other = point.decisive
        as_good = (
            other.accuracy.change.value >= own.accuracy.change.value
            and other.timing.ratio.value <= own.timing.ratio.value
        )
        more_accurate = other.accuracy.change.low > own.accuracy.change.high + 1e-9
        faster = other.timing.ratio.high < own.timing.ratio.low - 1e-9
        if as_good and (more_accurate or faster) and not isinstance(point.confirmed, CandidateError):
            found.append(point.trial)
    return found


@given(studies(), choices)
def test_nobody_is_chosen_whom_anything_that_was_measured_beats_beyond_its_intervals(
    study: Results, choice: Choice
) -> None:
    try:
        winner, sentence = chosen(study, choice)
    except StudyError:
        assume(False)
    assert not is_beaten(winner, study), sentence
    assert not isinstance(winner.confirmed, CandidateError)
    assert str(winner.figures) in sentence


@given(studies(), choices, st.data())
def test_nobody_is_exported_whom_anything_beats_once_it_was_measured_anew(
    study: Results, choice: Choice, data: st.DataObject
) -> None:
    asked: list[int] = []

    def measure(point: Point) -> Point:
        asked.append(point.trial)
        kept = {name: getattr(point.measurement.engine, name) for name in ("float_type", "int8_layers", "calibration")}
        return replace(point, fresh=data.draw(measurements(**kept)))

    try:
        found, winner, sentence = settled(study, wished(choice), measure)
    except StudyError:
        assume(False)
    assert winner.fresh is not None
    assert not is_beaten(winner, found), sentence
    assert choice.refusal(winner, found) is None
    assert len(asked) == len(set(asked)), "nothing is measured anew twice"
    assert str(winner.figures) in sentence


def test_a_winner_that_its_new_figures_refute_gives_way_to_the_next_one() -> None:
    study = results_of(trial(0, measured(0.395, 0.5)), trial(1, measured(0.396, 0.6)), trial(2, measured(0.4, 1.0)))
    fresh = {0: measured(0.38, 0.5), 1: measured(0.396, 0.61)}
    _, winner, sentence = settled(study, wished(Choice(max_map_drop=0.01)), lambda p: replace(p, fresh=fresh[p.trial]))
    assert winner.trial == 1
    assert sentence.endswith("12.200 ms (0.610 of the reference), measured anew at export.")


def test_where_the_choice_hangs_on_what_was_measured_it_is_made_anew_until_its_engine_was() -> None:
    study = results_of(trial(0, measured(0.395, 0.5)), trial(1, measured(0.396, 0.6)), trial(2, measured(0.4, 1.0)))

    def fastest(now: Results) -> Choice:
        return Choice(trial=min(now.points, key=lambda p: p.decisive.timing.ms).trial, by_answer=True)

    fresh, asked = {0: measured(0.395, 0.7), 1: measured(0.396, 0.61)}, []

    def measure(point: Point) -> Point:
        asked.append(point.trial)
        return replace(point, fresh=fresh[point.trial])

    _, winner, sentence = settled(study, fastest, measure)
    assert (winner.trial, asked) == (1, [0, 1])
    assert sentence.startswith("Trial 1, the study's answer; mAP50-95 0.3960")
    _, winner, sentence = settled(study, wished(Choice(trial=0)), measure)
    assert winner.trial == 0
    assert sentence.startswith("Trial 0, as asked; ")


def test_a_winner_stays_that_is_slower_than_it_seemed_but_not_beyond_doubt_than_others() -> None:
    study = results_of(trial(0, measured(0.395, 0.5)), trial(1, measured(0.395, 0.51)))
    _, winner, _ = settled(study, wished(Choice(max_map_drop=0.01)), lambda p: replace(p, fresh=measured(0.395, 0.52)))
    assert winner.trial == 0


def test_where_nothing_that_was_measured_anew_keeps_the_wish_the_nearest_are_named_with_their_new_figures() -> None:
    study = results_of(trial(0, measured(0.395, 0.5)), trial(1, measured(0.391, 0.6)))
    with pytest.raises(StudyError, match=r"trial 0: .* \(0\.500 of the reference\), measured anew at export"):
        settled(
            study,
            wished(Choice(max_map_drop=0.01)),
            lambda p: replace(p, fresh=measured(0.38, p.decisive.timing.ratio.value)),
        )


def test_where_int8_does_not_pay_the_faster_float_type_is_handed_over_unless_a_trial_is_named() -> None:
    study = results_of(
        trial(0, measured(0.4, 1.0, **FLOAT), baseline="float"),
        trial(1, measured(0.399, 0.55, float_type="bf16", **FLOAT), baseline="bf16"),
        trial(2, measured(0.391, 0.545)),
    )
    for choice in (Choice(max_map_drop=0.01), Choice(max_latency_ms=15.0), Choice(knee=True)):
        winner, sentence = chosen(study, choice)
        assert winner.title == "1 bf16"
        assert "INT8 does not pay here" in sentence
    assert chosen(study, Choice(trial=2))[0].trial == 2
    assert chosen(study, Choice(max_latency_ms=10.95))[0].trial == 2, "nothing without INT8 is as fast"


def test_an_engine_without_int8_is_not_handed_over_where_one_with_int8_beats_it_beyond_doubt() -> None:
    exact = {"map50_95_change_ci": (0.0, 0.0), "latency_ratio_ci": (0.99, 1.01)}
    study = results_of(
        trial(0, measured(0.4, 1.0, **FLOAT, **exact), baseline="float"),
        trial(1, measured(0.399, 0.6, float_type="bf16", **FLOAT), baseline="bf16"),
        trial(2, measured(0.401, 0.62)),
    )
    assert study.without_int8 == study.points[1]
    assert chosen(study, Choice(max_map_drop=0.001))[0].trial == 1
    winner, sentence = chosen(study, Choice(max_map_drop=0.0))  # which BF16 does not keep, and the reference is slow
    assert winner.trial == 2
    assert "does not pay" not in sentence


def test_a_loss_is_counted_on_the_images_that_it_was_measured_on() -> None:
    hard = measured(0.3, 0.5, map50_95_change=-0.008, map50_95_change_ci=(-0.01, -0.006), dataset_hash="other")
    records = [trial(0, measured(0.395, 0.5)), trial(1, measured(0.4, 0.9))]
    study = Results(records, objectives=("map50_95", "latency_ms"), float_type="fp32", confirmations={0: hard})
    assert chosen(study, Choice(max_map_drop=0.01))[0].trial == 0
    assert chosen(study, Choice(max_map_drop=0.005))[0].trial == 1
