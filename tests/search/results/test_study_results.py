from __future__ import annotations

import json
from typing import Any

import pytest

from made_up_trials import measured, results_of, stopped, trial, typical_results
from qpareto.errors import CandidateError
from qpareto.objectives.measurement import Measurement
from qpareto.search.results.study_results import Results
from qpareto.search.study.outcome import Outcome


def test_the_front_is_fastest_first_and_holds_no_point_that_another_beats() -> None:
    assert [point.trial for point in typical_results().front] == [5, 4, 3, 0]


def test_a_result_that_was_told_again_is_one_point() -> None:
    found = typical_results()
    assert [point.trial for point in found.points] == [0, 1, 3, 4, 5, 6]


def test_a_recipe_that_made_a_known_graph_is_still_listed_under_its_name() -> None:
    found = {point.baseline: point.trial for point in typical_results().baselines}
    assert found == {"float": 0, "modelopt-max": 1, "ultralytics": 2, "bf16": 3}


def bf16(map50_95: float, ratio: float, **changes: Any) -> Measurement:
    return measured(map50_95, ratio, float_type="bf16", int8_layers=(), calibration=None, **changes)


def test_the_front_is_over_every_float_type_and_what_the_search_works_with_over_its_own() -> None:
    found = results_of(
        trial(0, bf16(0.5, 0.1), baseline="bf16"),
        trial(1, measured(0.4, 1.0), baseline="float"),
    )
    assert [point.trial for point in found.front] == [0]
    assert [point.trial for point in found.own_front] == [point.trial for point in found.own_points] == [1]
    assert [point.baseline for point in found.baselines] == ["float", "bf16"]
    assert [point.precision for point in found.points] == ["bf16", "INT8 and fp32"]
    assert found.hypervolume() == 0.0, "it is of the search's own float type"


def test_another_float_type_that_no_int8_engine_is_worth_more_than_is_what_to_ship() -> None:
    float_trial = trial(0, measured(0.4, 1.0, int8_layers=()), baseline="float")
    found = results_of(float_trial, trial(1, bf16(0.399, 0.55), baseline="bf16"), trial(2, measured(0.395, 0.56)))
    (verdict,) = found.remarks()
    assert verdict.startswith("INT8 does not pay here: of 1 engines with INT8 layers the fastest takes 0.560")
    assert "Ship bf16, trial 1 (0.550, -0.0010), as `qpareto export` does" in verdict
    faster = results_of(float_trial, trial(1, bf16(0.399, 0.55), baseline="bf16"), trial(2, measured(0.395, 0.52)))
    assert not faster.verdict()
    rough = results_of(float_trial, trial(1, bf16(0.38, 0.55), baseline="bf16"), trial(2, measured(0.395, 0.56)))
    assert not rough.verdict(), "a float type that loses more than the margin is no answer"


def test_confirmed_figures_decide_who_is_on_the_front_by_what_is_lost_on_their_own_images() -> None:
    records = (trial(0, measured(0.39, 0.5)), trial(1, measured(0.38, 0.5)), trial(2, measured(0.37, 0.4)))
    again: dict[int, Measurement | CandidateError] = {
        0: measured(0.30, 0.5, map50_95_change=-0.03, map50_95_change_ci=(-0.04, -0.02), dataset_hash="other"),
        1: measured(0.31, 0.5, map50_95_change=-0.02, map50_95_change_ci=(-0.03, -0.01), dataset_hash="other"),
        2: CandidateError("The engine crashed."),
    }
    found = Results(records, objectives=("map50_95", "latency_ms"), float_type="fp32", confirmations=again)
    assert [point.trial for point in found.front] == [1]
    assert [point.trial for point in found.own_front] == [2, 0], "the search goes on by its own figures"
    assert found.points[0].comparable_accuracy == pytest.approx(0.37)
    told = found.points[1].as_json()
    assert (told["map50_95"], told["figures"]["map50_95"]) == (0.38, 0.31)
    assert told["figures"]["accuracy_from"] == "confirmed on 328 other images"


def test_a_recipe_that_shares_an_engine_shares_what_was_confirmed_of_it() -> None:
    again = {1: measured(0.37, 0.61)}
    found = Results(
        typical_results().records, objectives=("map50_95", "latency_ms"), float_type="fp32", confirmations=again
    )
    same = [point.confirmed for point in found.baselines if point.baseline in ("modelopt-max", "ultralytics")]
    assert same == [again[1], again[1]]


def test_what_a_search_may_have_picked_by_luck_is_told_until_other_images_have_judged_it() -> None:
    tied = [trial(i, measured(0.39 + i / 10000, 0.6)) for i in range(3)]
    found = results_of(*tied)
    (remark,) = found.remarks()
    width = 0.005 / (2 * 1.96)
    assert found.luck(found.front[0]) == pytest.approx(width * 0.8463, rel=0.03)  # of the greatest of three normals
    assert f"they may flatter by up to {found.luck(found.front[0]):.4f} mAP50-95 (trial 2)" in remark
    again = {2: measured(0.39, 0.6, dataset_hash="other")}
    held_out = Results(tied, objectives=found.objectives, float_type="fp32", confirmations=again)
    assert held_out.luck(held_out.points[2]) == 0.0
    assert results_of(tied[0], trial(1, measured(0.3, 0.5))).luck(found.points[0]) == 0.0, "nothing to pick from"
    assert (
        results_of(*tied, trial(3, measured(0.39, 0.6), baseline="max")).luck(
            results_of(trial(3, measured(0.39, 0.6), baseline="max")).points[0]
        )
        == 0.0
    ), "a recipe was not picked"


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("foreign_load", "other programs"),
        ("wide_interval", "latency.ci_width"),
        ("not_steady", "steady"),
        ("load_unknown", "does not tell"),
        ("foreign_process", "another process computed on the GPU"),
        ("throttled", "lowered its clocks"),
    ],
)
def test_doubtful_timings_of_the_front_are_told_with_their_cause(flag: str, said: str) -> None:
    found = results_of(
        trial(0, measured(0.4, 0.7, flags=(flag,))),
        trial(1, measured(0.3, 0.6, flags=(flag,))),
        trial(2, measured(0.2, 0.9, flags=(flag,))),  # not on the front
    )
    (remark,) = found.remarks()
    assert "timing of trial 1, 0" in remark
    assert said in remark


def test_every_flag_of_a_timing_has_a_meaning() -> None:
    import inspect
    import re

    from qpareto.objectives.latency.paired import PairedLatency
    from qpareto.search.results.doubts import DOUBTS

    described = re.search(r"flags:(.*)", inspect.getdoc(PairedLatency) or "", re.DOTALL)
    assert described is not None
    assert set(re.findall(r"`(\w+)`", described[1])) == DOUBTS.keys()


def test_hypervolume_is_the_share_of_the_box_from_half_the_references_map_at_its_latency() -> None:
    assert results_of(trial(0, measured(0.4, 1.0))).hypervolume() == 0.0  # the reference itself
    assert results_of(trial(0, measured(0.4, 0.5))).hypervolume() == pytest.approx(0.5)
    assert results_of(trial(0, measured(0.3, 0.5))).hypervolume() == pytest.approx(0.25)
    two = results_of(trial(0, measured(0.4, 0.5)), trial(1, measured(0.3, 0.25)))
    assert two.hypervolume() == pytest.approx(0.5 + 0.25 * 0.5)
    assert results_of(trial(0, measured(0.5, 0.5))).hypervolume() == pytest.approx(0.75)  # above the reference


def test_hypervolume_is_0_without_points_or_where_the_reference_finds_nothing() -> None:
    assert results_of().hypervolume() == 0.0
    assert results_of(trial(0, measured(0.0, 0.5, map50_95_change=0.0))).hypervolume() == 0.0


def test_results_of_nothing_have_no_front_no_baselines_and_nothing_to_remark() -> None:
    empty = results_of(trial(0, None))
    assert (empty.front, empty.baselines, empty.remarks()) == ((), (), ())


def test_objectives_decide_what_the_front_is() -> None:
    records = (
        trial(0, measured(0.4, 1.0, engine_bytes=9)),
        trial(1, measured(0.3, 0.5, engine_bytes=5)),
        trial(2, measured(0.2, 0.6, engine_bytes=1)),
    )
    assert [p.trial for p in results_of(*records).front] == [1, 0]
    assert [p.trial for p in results_of(*records, objectives=("map50_95",)).front] == [0]
    assert [p.trial for p in results_of(*records, objectives=("map50_95", "engine_bytes")).front] == [1, 2, 0]


def test_a_point_is_one_flat_json_object() -> None:
    found = json.loads(json.dumps(typical_results().front[-1].as_json()))
    assert found["trial"] == 0
    assert found["baseline"] == "float"
    assert found["latency_ratio_ci"] == [0.99, 1.02]


def test_trials_that_were_stopped_are_no_points_and_are_told_on_demand_without_objectives() -> None:
    found = results_of(
        trial(0, measured(0.4, 1.0)),
        trial(1, None, outcome=Outcome.PRUNED, stopped=stopped(0.5, 0.1), stopped_graph="abc"),
    )
    assert [point.trial for point in (*found.front, *found.points)] == [0, 0]
    assert [row["trial"] for row in found.as_json()] == [0]
    first, second = json.loads(json.dumps(found.as_json(others=True)))
    assert (first["trial"], first["map50_95"]) == (0, 0.4)
    assert second == {"trial": 1, "reused_from": None, "stopped": stopped(0.5, 0.1).as_json()}


def test_stopped_trials_count_towards_a_stall() -> None:
    front = trial(0, measured(0.4, 0.5))
    pruned = [trial(i, None, outcome=Outcome.PRUNED, stopped=stopped(0.38, 0.6)) for i in (1, 2)]
    assert results_of(front, *pruned).has_stalled(trials=2, growth=0.0)
    assert not results_of(front, pruned[0]).has_stalled(trials=2, growth=0.0)


def test_where_no_engine_with_int8_layers_is_faster_beyond_its_interval_the_verdict_says_so() -> None:
    float_trial = trial(0, measured(0.4, 1.0, int8_layers=()), baseline="float")
    slow = results_of(float_trial, trial(1, measured(0.39, 1.1)), trial(2, measured(0.38, 0.99)))
    (verdict,) = slow.remarks()
    assert verdict.startswith("INT8 does not pay here: of 2 engines with INT8 layers the fastest takes 0.990")
    assert "-0.0200 mAP50-95" in verdict
    assert not results_of(float_trial, trial(1, measured(0.39, 0.9))).remarks()
    assert not results_of(float_trial).remarks()


def test_what_the_search_found_beaten_does_not_come_to_the_front_because_the_front_was_held_to_account() -> None:
    records = [trial(0, measured(0.398, 0.5)), trial(1, measured(0.397, 0.51)), trial(2, measured(0.399, 0.7))]
    again: dict[int, Measurement | CandidateError] = {0: measured(0.39, 0.52, dataset_hash="other")}
    found = Results(records, objectives=("map50_95", "latency_ms"), float_type="fp32", confirmations=again)
    assert [point.trial for point in found.front] == [0, 2], "trial 1 was beaten by it, and nobody checked trial 1"
    again[2] = CandidateError("The engine crashed.")
    found = Results(records, objectives=("map50_95", "latency_ms"), float_type="fp32", confirmations=again)
    assert [point.trial for point in found.front] == [0], "what cannot be built again is not there"
    again[0] = CandidateError("The engine crashed.")
    found = Results(records, objectives=("map50_95", "latency_ms"), float_type="fp32", confirmations=again)
    assert [point.trial for point in found.front] == [1]
    assert [point.trial for point in found.beside_front()] == [0, 2]


def test_a_point_that_the_search_found_later_joins_those_that_were_held_to_account() -> None:
    records = [trial(0, measured(0.398, 0.5)), trial(1, measured(0.399, 0.49))]
    again: dict[int, Measurement | CandidateError] = {0: measured(0.4, 0.4)}
    found = Results(records, objectives=("map50_95", "latency_ms"), float_type="fp32", confirmations=again)
    assert [point.trial for point in found.front] == [1], "by the search's figures, which both have, it beats the other"
