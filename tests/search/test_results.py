from __future__ import annotations

import json

import pytest

from made_up_trials import measured, results_of, stopped, trial, typical_results


def test_the_front_is_fastest_first_and_holds_no_point_that_another_beats() -> None:
    assert [point.trial for point in typical_results().front] == [5, 4, 0]


def test_a_result_that_was_told_again_is_one_point() -> None:
    found = typical_results()
    assert [point.trial for point in found.points] == [0, 1, 4, 5, 6]


def test_a_recipe_that_made_a_known_graph_is_still_listed_under_its_name() -> None:
    found = {point.baseline: point.trial for point in typical_results().baselines}
    assert found == {"float": 0, "modelopt-max": 1, "ultralytics": 2, "bf16": 3}


def test_a_baseline_in_another_float_type_is_never_on_the_front_and_comes_last() -> None:
    found = results_of(
        trial(0, measured(0.5, 0.1, float_type="bf16"), baseline="bf16"),
        trial(1, measured(0.4, 1.0), baseline="float"),
    )
    assert [point.trial for point in found.front] == [1]
    assert [point.baseline for point in found.baselines] == ["float", "bf16"]


def test_a_float_type_that_beats_the_front_is_told() -> None:
    remark = typical_results().remarks()[0]
    assert remark.startswith("bf16 alone beats 2 of the front's 3 points")
    assert "INT8 does not pay" in remark
    assert not results_of(trial(0, measured(0.4, 0.5)), trial(1, measured(0.3, 0.6, float_type="bf16"))).remarks()


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
    from qpareto.search.results import DOUBTS

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
        trial(1, None, state="pruned", stopped=stopped(0.5, 0.1), stopped_graph="abc"),
    )
    assert [point.trial for point in (*found.front, *found.points)] == [0, 0]
    assert [row["trial"] for row in found.as_json()] == [0]
    first, second = json.loads(json.dumps(found.as_json(others=True)))
    assert (first["trial"], first["map50_95"]) == (0, 0.4)
    assert second == {"trial": 1, "reused_from": None, "stopped": stopped(0.5, 0.1).as_json()}


def test_stopped_trials_count_towards_a_stall() -> None:
    front = trial(0, measured(0.4, 0.5))
    pruned = [trial(i, None, state="pruned", stopped=stopped(0.38, 0.6)) for i in (1, 2)]
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
