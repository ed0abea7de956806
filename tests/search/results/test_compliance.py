"""Answers against a slow obvious reading of the same made-up points."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_up_trials import REFERENCE_MAP, measured, results_of, trial, typical_results
from qpareto.errors import CandidateError, StudyError
from qpareto.objectives.measurement import Measurement
from qpareto.search.results.compliance import Answer, Compliance, answer
from qpareto.search.results.points import Point
from qpareto.search.results.requirements import Requirements
from qpareto.search.results.study_results import Results
from qpareto.search.study.record import TrialRecord

LIMITS = Requirements.parse(["map_drop=0.01", "latency_ratio=0.75"])
maps = st.integers(36, 42).map(lambda hundredths: hundredths / 100)  # few values, so that ties are common
ratios = st.integers(4, 11).map(lambda tenths: tenths / 10)
measurements = st.builds(measured, maps, ratios)


@st.composite
def studies(draw: st.DrawFn) -> Results:
    """Some points, some of them confirmed, refuted, recipes or of another float type."""
    records, confirmations = [], {}
    for number in range(draw(st.integers(1, 6))):
        baseline = draw(st.sampled_from([None, "recipe", "bf16"]))
        changes: dict[str, Any] = {"float_type": "bf16"} if baseline == "bf16" else {}
        if baseline == "recipe" and draw(st.booleans()):
            changes["int8_layers"] = ()  # the reference
        records.append(trial(number, measured(draw(maps), draw(ratios), **changes), baseline=baseline))
        again = draw(st.none() | measurements | st.just(CandidateError("It crashed.")))
        if again is not None:
            confirmations[number] = again
    return confirmed(records, confirmations)


def confirmed(records: Sequence[TrialRecord], confirmations: dict[int, Any]) -> Results:
    objectives = ("map50_95", "latency_ms")
    return Results(records, objectives=objectives, float_type="fp32", confirmations=confirmations)


def deciding(point: Point) -> Measurement | None:
    if isinstance(point.confirmed, CandidateError):
        return None
    return point.confirmed or point.measurement


def keeps(point: Point, drop: float, ratio: float) -> bool:
    found = deciding(point)
    return found is not None and found.accuracy.value >= 0.4 - drop - 1e-9 and found.timing.ratio.value <= ratio + 1e-9


def keeps_surely(point: Point, drop: float, ratio: float) -> bool:
    found = deciding(point)
    if found is None or not keeps(point, drop, ratio):
        return False
    return found.accuracy.change.low >= -drop - 1e-9 and found.timing.ratio.high <= ratio + 1e-9


def beats(one: Point, other: Point) -> bool:
    mine, theirs = deciding(one), deciding(other)
    assert mine is not None
    assert theirs is not None
    if mine.accuracy.value < theirs.accuracy.value or mine.timing.ms > theirs.timing.ms:
        return False
    more_accurate = mine.accuracy.change.low > theirs.accuracy.change.high
    faster = mine.timing.ratio.high < theirs.timing.ratio.low
    return (more_accurate and mine.accuracy.value > theirs.accuracy.value) or (
        faster and mine.timing.ms < theirs.timing.ms
    )


def worst(point: Point, drop: float, ratio: float) -> float:
    found = deciding(point)
    if found is None:
        return float("inf")
    lost = (REFERENCE_MAP - found.accuracy.value - drop) / max(drop, 0.01)
    slow = (found.timing.ratio.value - ratio) / max(abs(1 - ratio), 0.01)
    return max(0.0, lost if lost > 1e-7 else 0.0, slow if slow > 1e-7 else 0.0)


def points_of(study: Results) -> tuple[Point, ...]:
    return study.points


@given(studies(), st.sampled_from([0.0, 0.01, 0.012, 0.02]), st.sampled_from([0.5, 0.61, 0.7, 1.0, 1.02]))
def test_the_answer_is_what_looking_at_every_point_gives(study: Results, drop: float, ratio: float) -> None:
    found = answer(study, Requirements.parse([f"map_drop={drop}", f"latency_ratio={ratio}"]))
    kept = [point for point in points_of(study) if keeps(point, drop, ratio)]
    sure = [point for point in kept if keeps_surely(point, drop, ratio)]
    assert (found.is_met, found.meeting, found.measured) == (bool(kept), len(kept), len(points_of(study)))
    if found.best is None:
        missed = [worst(each.point, drop, ratio) for each in found.nearest]
        others = [worst(p, drop, ratio) for p in points_of(study) if p not in [each.point for each in found.nearest]]
        assert missed == sorted(missed)
        assert len(missed) == min(3, found.measured)
        assert all(value > 0 for value in missed)
        assert all(value >= missed[-1] - 1e-9 for value in others)
        return
    assert found.nearest == ()
    assert found.best.point in kept
    assert found.best.is_sure == (found.best.point in sure)
    kept = [point for point in kept if not any(beats(other, point) for other in kept)]
    kept, sure = ([p for p in points if p != study.reference and p in kept] for points in (kept, sure))
    assert (found.best.role == "reference") == (not kept)
    if kept and sure:
        assert found.best.point in sure
        rivals = [p for p in sure if isinstance(p.confirmed, Measurement)]
        assert not rivals or found.best.point.is_measured_again
        assert found.best.point.decisive.timing.ms == min(m.timing.ms for p in rivals or sure if (m := deciding(p)))


@given(studies())
def test_an_answer_survives_json_and_tells_the_same(study: Results) -> None:
    found = answer(study, LIMITS)
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert told.keys() == {
        *("met", "requirements", "point", "confidence", "confirmed", "nearest", "measured", "meeting")
    }
    assert told["met"] == found.is_met == (told["point"] is not None) == (told["nearest"] == [])
    for point in [told["point"]] if told["point"] else told["nearest"]:
        assert {"trial", "baseline", "map50_95", "role", "met", "sure", "probability", "findings"} <= point.keys()
        assert [finding["name"] for finding in point["findings"]] == ["map_drop", "latency_ratio"]
        assert bool(point["searched"]) == ("confirmed" in point)


def best_of(found: Answer) -> Compliance:
    assert found.best is not None
    return found.best


def test_a_point_that_keeps_all_beyond_its_intervals_comes_before_a_faster_one_that_may_not() -> None:
    study = results_of(trial(0, measured(0.391, 0.5)), trial(1, measured(0.395, 0.6)))
    assert [keeps_surely(point, 0.01, 0.75) for point in study.points] == [False, True]
    assert best_of(answer(study, LIMITS)).point.trial == 1


def test_of_those_that_are_sure_a_confirmed_one_comes_before_a_faster_one() -> None:
    records = [trial(0, measured(0.395, 0.5)), trial(1, measured(0.4, 0.6))]
    assert best_of(answer(confirmed(records, {}), LIMITS)).point.trial == 0
    found = answer(confirmed(records, {1: measured(0.396, 0.61)}), LIMITS)
    assert (best_of(found).point.trial, best_of(found).point.is_measured_again) == (1, True)


def test_where_none_is_sure_the_most_probable_comes_first() -> None:
    study = results_of(trial(0, measured(0.3905, 0.5)), trial(1, measured(0.3915, 0.6)), trial(2, measured(0.391, 0.7)))
    found = best_of(answer(study, LIMITS))
    assert (found.point.trial, found.is_sure) == (1, False)


def test_without_a_limit_on_accuracy_the_most_accurate_comes_first() -> None:
    study = results_of(trial(0, measured(0.30, 0.4)), trial(1, measured(0.39, 0.6)))
    assert best_of(answer(study, Requirements.parse(["latency_ratio=0.75"]))).point.trial == 1
    assert best_of(answer(study, Requirements.parse(["latency_ratio=0.75", "map_drop=0.2"]))).point.trial == 0


def test_the_reference_is_the_last_to_be_named() -> None:
    study = typical_results()
    found = best_of(answer(study, Requirements.parse(["map_drop=0.002"])))
    assert (found.point.title, found.role, found.is_sure) == ("3 bf16", "front", False)
    found = best_of(answer(study, Requirements.parse(["map_drop=0"])))
    assert (found.point.title, found.role) == ("0 float", "reference")


def test_a_point_that_the_reference_beats_is_not_named() -> None:
    reference = trial(0, measured(0.4, 1.0, int8_layers=()), baseline="float")
    slower = trial(1, measured(0.396, 1.3))
    found = answer(results_of(reference, slower), Requirements.parse(["map_drop=0.01"]))
    assert (found.meeting, best_of(found).role) == (2, "reference")


def test_confirmed_figures_decide_both_ways() -> None:
    lucky, unlucky = trial(0, measured(0.395, 0.5)), trial(1, measured(0.385, 0.6))
    study = confirmed([lucky, unlucky], {0: measured(0.385, 0.5), 1: measured(0.395, 0.6)})
    found = best_of(answer(study, LIMITS))
    assert found.point.trial == 1
    assert [finding.is_met for finding in found.searched] == [False, True]
    found = answer(confirmed([lucky], {0: measured(0.385, 0.5)}), LIMITS).nearest[0]
    assert (found.is_met, all(finding.is_met for finding in found.searched)) == (False, True)


def test_what_could_not_be_measured_once_more_is_no_yes() -> None:
    study = confirmed([trial(0, measured(0.395, 0.5))], {0: CandidateError("The engine crashed.")})
    found = answer(study, LIMITS)
    assert not found.is_met
    assert (found.nearest[0].point.refuted, found.nearest[0].probability) == ("The engine crashed.", 0.0)


def test_every_kind_of_point_counts_and_is_told_as_what_it_is() -> None:
    wanted = {0: "reference", 1: "recipe", 3: "front", 4: "front", 6: "beaten"}
    for number, role in wanted.items():
        others = [point.trial for point in points_of(typical_results()) if point.trial != number]
        found = answer(typical_results(), Requirements.parse(["latency_ratio=1"]), infeasible=others)
        assert (best_of(found).point.trial, best_of(found).role, found.measured) == (number, role, 1)


def test_what_another_float_type_off_the_front_is_is_told() -> None:
    study = results_of(trial(0, measured(0.4, 0.5)), trial(1, measured(0.39, 0.6, float_type="bf16"), baseline="bf16"))
    found = answer(study, Requirements.parse(["latency_ratio=1"]), infeasible=[0])
    assert best_of(found).role == "other float type"


def test_the_probability_is_what_drawing_independent_figures_gives() -> None:
    point = measured(0.393, 0.74, map50_95_change_ci=(-0.012, -0.002), latency_ratio_ci=(0.72, 0.76))
    found = best_of(answer(results_of(trial(0, point)), Requirements.parse(["yolo-95", *map(str, LIMITS)])))
    rng = np.random.default_rng(0)
    drops, ratios = rng.normal(0.007, 0.005 / 1.96, 200_000), rng.normal(0.74, 0.02 / 1.96, 200_000)
    together = (drops <= 0.01) & (drops <= 0.05 * REFERENCE_MAP) & (ratios <= 0.75)
    assert found.probability == pytest.approx(together.mean(), abs=0.004)


def test_of_points_that_miss_one_limit_alike_the_nearer_to_the_others_comes_first() -> None:
    study = results_of(*(trial(i, measured(0.4, ratio)) for i, ratio in enumerate((0.9, 0.8, 0.85))))
    found = answer(study, Requirements.parse(["engine_mib=1.5", "latency_ratio=0.7"]))
    assert [each.point.trial for each in found.nearest] == [1, 2, 0]


@pytest.mark.parametrize(
    ("study", "limit", "said"),
    [
        (results_of(trial(0, None)), "map_drop=0.01", "no complete trial yet"),
        (typical_results(), "energy_mj=5", r"A CPU \[of ours\] told no energy_mj of any engine"),
        (typical_results(), "map_drop=0.5", r"all of the reference's mAP50-95 0\.4000 .* perhaps map_drop=0\.005"),
    ],
)
def test_what_cannot_be_answered_is_said(study: Results, limit: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        answer(study, Requirements.parse([limit]))


def test_a_point_without_a_figure_that_others_have_does_not_comply() -> None:
    study = results_of(trial(0, measured(0.4, 0.5)), trial(1, measured(0.4, 0.6, energy_mj=81.0)))
    assert best_of(answer(study, Requirements.parse(["energy_mj=100"]))).point.trial == 1
    nearest = answer(study, Requirements.parse(["energy_mj=50"])).nearest
    assert [each.point.trial for each in nearest] == [1, 0]
