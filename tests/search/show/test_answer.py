"""The answer in full."""

from __future__ import annotations

from dataclasses import replace

from made_up_trials import measured, results_of, trial
from qpareto.search.results.study_results import Results
from qpareto.search.show.answer import answer, comparisons
from qpareto.search.show.headline import headline
from qpareto.search.show.view import StudyView


def test_it_begins_with_what_is_gained_over_the_float_engine_and_each_recipe(view: StudyView) -> None:
    first, *others = comparisons(view)
    point = next(p for p in view.results.front if f"trial {p.trial} " in first)
    assert f"takes {point.measurement.timing.ratio.value:.3f}" in first
    assert f"{point.measurement.accuracy.change.value:+.4f}" in first
    for recipe in ("modelopt-max", "modelopt-entropy", "ultralytics", "bf16"):
        assert any(line.startswith(f"Over {recipe}: ") for line in others)


def test_it_begins_with_the_headline_and_says_nothing_twice(view: StudyView) -> None:
    first, *others = answer(view)
    assert first == " ".join(headline(view).sentences)
    assert first.startswith("Ship trial ")
    assert others == comparisons(view)
    slow = results_of(trial(0, measured(0.4, 1.0, int8_layers=(), mask="0")), trial(1, measured(0.39, 1.1)))
    told = answer(replace(view, results=slow))
    assert told[0].startswith("INT8 does not pay here")
    assert "INT8 does not pay" not in " ".join(told[1:])


def test_it_says_that_int8_does_not_pay_where_it_does_not(view: StudyView) -> None:
    slow = results_of(trial(0, measured(0.4, 1.0, int8_layers=(), mask="0")), trial(1, measured(0.39, 1.1)))
    first, *others = comparisons(replace(view, results=slow))
    assert first.startswith("INT8 does not pay here")
    assert not any(line.startswith("Over ") for line in others)


def test_no_loss_is_said_of_who_is_sure_to_lose_less_than_the_margin_on_other_images_where_there_are_any(
    view: StudyView,
) -> None:
    float_trial = trial(0, measured(0.4, 1.0, int8_layers=(), mask="0"), baseline="float")
    records = [float_trial, trial(1, measured(0.399, 0.6)), trial(2, measured(0.4, 0.7))]
    first, *_ = comparisons(replace(view, results=results_of(*records)))
    assert first.startswith("As accurate as the float engine within 0.005 mAP50-95, trial 1 takes 0.600")
    assert "from the search" in first
    loses = measured(0.35, 0.61, map50_95_change=-0.0042, map50_95_change_ci=(-0.0068, -0.002), dataset_hash="other")
    kept = measured(0.36, 0.72, map50_95_change=0.001, map50_95_change_ci=(-0.001, 0.004), dataset_hash="other")
    for again, said in (
        ({1: loses, 2: kept}, "As accurate as the float engine within 0.005 mAP50-95, trial 2 takes 0.720"),
        ({1: loses}, "For at most 0.01 mAP50-95, trial 1 takes 0.610"),
    ):
        found = Results(records, objectives=("map50_95", "latency_ms"), float_type="fp32", confirmations=again)
        told = comparisons(replace(view, results=found))
        assert told[0].startswith(said)
        if len(again) == 1:
            assert any("No faster engine is as accurate" in line and "never saw" in line for line in told)
            assert "(95 % -0.0068 to -0.0020; confirmed on 328 other images)" in told[0]


def test_it_says_when_there_is_no_answer_yet(view: StudyView) -> None:
    assert comparisons(replace(view, results=results_of())) == [
        "No candidate has been measured in full yet, so there is no answer."
    ]
