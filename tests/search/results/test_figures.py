from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from made_up_trials import measured, results_of, trial
from qpareto.errors import CandidateError
from qpareto.objectives.latency.spread import Spread
from qpareto.objectives.measurement import Measurement
from qpareto.search.results.figures import NO_LOSS, expected_luck, figures_of, is_as_accurate
from qpareto.search.results.points import Point
from qpareto.search.results.study_results import Results

SEARCHED = measured(0.395, 0.55)
ON_OTHERS = measured(0.35, 0.57, map50_95_change=-0.008, images=250, dataset_hash="other")
REBUILT, FRESH = measured(0.395, 0.58), measured(0.395, 0.593)


def test_without_any_other_the_figures_of_the_search_count() -> None:
    found = figures_of(SEARCHED)
    assert (found.measurement, found.held_out) == (SEARCHED, False)
    assert str(found) == "mAP50-95 0.3950 (-0.0050), 11.000 ms (0.550 of the reference), from the search"


def test_a_confirmation_counts_whole_and_says_on_which_images() -> None:
    found = figures_of(SEARCHED, confirmed=ON_OTHERS)
    assert (found.measurement, found.held_out) == (ON_OTHERS, True)
    assert str(found).endswith("11.400 ms (0.570 of the reference), confirmed on 250 other images")
    again = figures_of(SEARCHED, confirmed=REBUILT)
    assert (again.measurement, again.held_out) == (REBUILT, False)
    assert str(again).endswith("confirmed by a second build")


def test_at_export_latency_is_the_new_engines_and_accuracy_that_of_images_that_the_search_never_saw() -> None:
    found = figures_of(SEARCHED, confirmed=ON_OTHERS, fresh=FRESH)
    assert found.measurement.timing.ratio.value == FRESH.timing.ratio.value
    assert found.measurement.accuracy.change.value == ON_OTHERS.accuracy.change.value
    assert (found.measurement.accuracy.images, found.measurement.engine.graph_hash) == (250, FRESH.engine.graph_hash)
    assert str(found) == (
        "mAP50-95 0.3500 (-0.0080, confirmed on 250 other images), 11.860 ms (0.593 of the reference, measured anew at "
        "export)"
    )
    assert str(figures_of(SEARCHED, confirmed=REBUILT, fresh=FRESH)).endswith("measured anew at export")
    assert json.loads(json.dumps(found.as_json()))["latency_from"] == "measured anew at export"


def test_the_interval_of_a_latency_counts_what_the_studys_points_showed_when_they_were_timed_again() -> None:
    def timed(ratio: float, timings: int) -> Measurement:
        own = (ratio * 0.998, ratio * 1.002)
        return measured(0.395, ratio, latency_own_ci=own, latency_spread=0.003, latency_timings=timings)

    records = [trial(number, timed(0.55 + number / 100, 1)) for number in range(4)]
    before = results_of(*records)
    assert [point.decisive for point in before.points] == [record.measurement for record in records]
    after = Results(
        records,
        objectives=before.objectives,
        float_type="fp32",
        confirmations={number: timed((0.55 + number / 100) * 1.04, 3) for number in (0, 1, 2)},
    )
    timing = np.log(1.04) * np.sqrt(3 / 4) / 0.67449  # from the difference of one and the mean of three
    spread = Spread(deviation=float(timing), timings=6)
    for point, timings in zip(after.points, (3, 3, 3, 1), strict=True):
        found = point.decisive
        expected = spread.around(found.timing.own, timings=timings)
        assert found.timing.ratio == pytest.approx(expected, rel=1e-4)
        assert point.is_measured_again == (timings == 3)
    (remark,) = after.remarks(doubts=False)[-1:]
    assert remark.startswith("This machine's speed is not steady: engines that were timed again lie 5.0 % apart")
    assert "the reference took 21 to 21 ms" in remark
    assert not any("not steady" in remark for remark in before.remarks())


def test_a_machine_whose_builds_were_alike_by_chance_does_not_narrow_what_others_found() -> None:
    def timed(number: int, deviation: float | None) -> Measurement:
        return measured(0.395, 0.5 + number / 100, latency_own_ci=(0.49, 0.56), latency_spread=deviation)

    deviations = [0.008, 0.022, 0.0003]
    points = results_of(*[trial(number, timed(number, each)) for number, each in enumerate([*deviations, None])]).points
    pooled = Spread(deviation=float(np.sqrt(np.mean(np.square(deviations)))), timings=6)
    for point in points[:3]:
        assert point.decisive.timing.ratio == pytest.approx(pooled.around(point.measurement.timing.own))
    assert points[3].decisive == points[3].measurement, "older studies do not tell theirs"


def test_a_second_measurement_that_failed_is_none() -> None:
    failed = Point(trial=0, measurement=SEARCHED, baseline=None, confirmed=CandidateError("The engine crashed."))
    assert (failed.again, failed.refuted) == (None, "The engine crashed.")
    confirmed = replace(failed, confirmed=REBUILT)
    assert (confirmed.again, confirmed.refuted) == (REBUILT, None)


@pytest.mark.parametrize(("low", "is_accurate"), [(-NO_LOSS + 1e-6, True), (-NO_LOSS, False), (-0.02, False)])
def test_no_loss_is_an_interval_above_the_margin_whatever_the_figure(low: float, is_accurate: bool) -> None:
    found = measured(0.4, 0.5, map50_95_change_ci=(low, 0.03))
    assert is_as_accurate(found) == is_accurate


def test_wide_intervals_of_few_images_make_no_loss_harder_to_say_not_easier() -> None:
    few, many = ((-0.001 - width, -0.001 + width) for width in (0.02, 0.003))
    assert is_as_accurate(measured(0.399, 0.5, map50_95_change_ci=many))
    assert not is_as_accurate(measured(0.399, 0.5, map50_95_change_ci=few))


@pytest.mark.parametrize("rivals", [0, 1, 3, 10, 40])
def test_the_expected_luck_is_that_of_the_greatest_of_independent_errors(rivals: int) -> None:
    found = measured(0.4, 0.5, map50_95_change_ci=(-0.00196, 0.00196))  # a deviation of 0.001
    drawn = np.random.default_rng(0).normal(0, 0.001, (40_000, rivals + 1)).max(axis=1).mean()
    assert expected_luck(found, rivals) == pytest.approx(drawn, abs=4e-5)
