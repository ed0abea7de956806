from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_up_trials import REFERENCE_MAP, REFERENCE_MS, measured
from qpareto.errors import QParetoError
from qpareto.search.results.quantities import QUANTITIES
from qpareto.search.results.requirements import PRESETS, Requirement, Requirements

FIGURES = {  # of 0.39 of 0.4, in 0.6 of 20 ms: value, low, high
    "map_drop": (0.01, 0.007, 0.012),
    "map_share": (0.975, 0.97, 0.9825),
    "map50_95": (0.39, 0.388, 0.393),
    "top1_drop": (0.01, 0.007, 0.012),
    "top1_share": (0.975, 0.97, 0.9825),
    "top1": (0.39, 0.388, 0.393),
    "latency_ratio": (0.6, 0.59, 0.62),
    "latency_ms": (12.0, 11.8, 12.4),
    "engine_mib": (3.0, 3.0, 3.0),
    "energy_mj": (81.0, 81.0, 81.0),
}


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_quantity_is_read_off_a_measurement_with_its_interval(name: str) -> None:
    found = QUANTITIES[name].read(measured(0.39, 0.6, energy_mj=81.0))
    assert found == pytest.approx(FIGURES[name])


@given(st.floats(0.1, 0.9), st.floats(0.1, 2.0), st.sampled_from(sorted(QUANTITIES)), st.floats(-0.5, 0.5))
def test_a_limit_is_kept_on_its_side_and_by_itself(map50_95: float, ratio: float, name: str, apart: float) -> None:
    again = measured(map50_95, ratio, energy_mj=81.0)
    found = QUANTITIES[name].read(again)
    assert found is not None
    limit = found.value + apart
    words, allows = QUANTITIES[name].span
    if not allows(limit):
        with pytest.raises(QParetoError, match=words):
            Requirement(name, limit)
        return
    kept = limit >= found.value if QUANTITIES[name].sense == "at most" else limit <= found.value
    finding = Requirement(name, limit).of(again)
    assert finding.is_met == (kept or abs(apart) < 1e-9)
    assert (finding.violation == 0) == finding.is_met
    assert finding.is_possible or not finding.is_met
    assert finding.is_met or not finding.is_sure


def test_the_reference_keeps_a_drop_of_nothing_for_certain() -> None:
    finding = Requirement("map_drop", 0.0).of(measured(0.4, 1.0, map50_95_change_ci=(0.0, 0.0)))
    assert (finding.is_sure, finding.probability, finding.verdict) == (True, 1.0, "yes")


def test_of_a_reference_that_finds_nothing_all_is_left() -> None:
    nothing = measured(0.0, 1.0, map50_95_change=0.0, map50_95_change_ci=(0.0, 0.0))
    assert Requirement("map_share", 0.99).of(nothing).is_met


@pytest.mark.parametrize(
    ("limit", "sure", "verdict"),
    [
        (0.62, True, "beyond its 95 % interval"),
        (0.61, False, "by the figure, but its interval crosses the limit"),
        (0.595, False, "no, but its interval reaches the limit"),
        (0.58, False, "no"),
    ],
)
def test_how_surely_a_limit_is_kept_is_said_in_words(limit: float, sure: bool, verdict: str) -> None:
    finding = Requirement("latency_ratio", limit).of(measured(0.39, 0.6))
    assert (finding.is_sure, finding.verdict) == (sure, verdict)


@pytest.mark.parametrize(("limit", "probability"), [(0.62, 0.975), (0.6, 0.5), (0.59, 0.025)])
def test_the_probability_is_that_of_the_interval_at_its_ends_and_a_half_on_the_figure(
    limit: float, probability: float
) -> None:
    assert Requirement("latency_ratio", limit).of(measured(0.39, 0.6)).probability == pytest.approx(probability)


@given(st.floats(-0.02, 0.02), st.sampled_from(["map_drop", "map_share", "map50_95"]))
def test_one_limit_on_accuracy_is_as_probable_however_it_is_put(apart: float, name: str) -> None:
    limits = {"map_drop": 0.02 + apart, "map_share": 0.95 - apart / REFERENCE_MAP, "map50_95": 0.38 - apart}
    found = Requirement(name, limits[name]).of(measured(0.38, 0.6))
    other = Requirement("map50_95", limits["map50_95"]).of(measured(0.38, 0.6))
    assert found.probability == pytest.approx(other.probability, abs=1e-6)


@given(st.floats(0.5, 0.7), st.floats(0.005, 0.05))
def test_the_probability_is_what_drawing_normal_figures_gives(limit: float, arm: float) -> None:
    found = measured(0.39, 0.6, latency_ratio_ci=(0.6 - arm, 0.6 + arm))
    drawn = np.random.default_rng(0).normal(0.6, arm / 1.96, 20_000)
    probability = Requirement("latency_ratio", limit).of(found).probability
    assert probability == pytest.approx((drawn <= limit).mean(), abs=0.012)


def test_an_interval_that_does_not_hold_its_figure_is_drawn_out_to_it() -> None:
    odd = measured(0.39, 0.6, map50_95_change_ci=(-0.009, -0.002))
    finding = Requirement("map_drop", 0.0095).of(odd)
    assert finding.figure == pytest.approx((0.01, 0.002, 0.01))
    assert 0 < finding.probability < 0.5


def test_what_the_device_does_not_tell_is_not_kept() -> None:
    finding = Requirement("energy_mj", 100.0).of(measured(0.39, 0.6))
    assert (finding.is_met, finding.is_possible, finding.probability) == (False, False, 0.0)
    assert math.isinf(finding.violation)
    assert finding.as_json() == finding.as_json() | {"value": None, "ci": None, "excess": None, "met": False}


@pytest.mark.parametrize(
    ("name", "limit", "found"),
    [
        ("map_drop", 0.01, {"map50_95": 0.38, "ratio": 0.6}),  # twice the loss that is allowed
        ("map_share", 0.975, {"map50_95": 0.38, "ratio": 0.6}),
        ("map50_95", 0.39, {"map50_95": 0.38, "ratio": 0.6}),
        ("latency_ratio", 0.75, {"map50_95": 0.38, "ratio": 1.0}),  # no faster than the reference
        ("latency_ms", 0.75 * REFERENCE_MS, {"map50_95": 0.38, "ratio": 1.0}),
        ("engine_mib", 1.5, {"map50_95": 0.38, "ratio": 1.0}),  # twice as large as allowed
    ],
)
def test_a_violation_is_a_part_of_what_the_limit_allows_or_gains(name: str, limit: float, found: Any) -> None:
    assert Requirement(name, limit).of(measured(**found)).violation == pytest.approx(1.0)


def test_a_class_may_have_a_floor_of_its_own() -> None:
    found = Requirement.parse("ap[cat]=0.45")
    assert (found.name, found.limit, str(found), found.quantity.sense) == ("ap[cat]", 0.45, "ap[cat]=0.45", "at least")
    assert found.of(measured(0.39, 0.6)).figure == (0.5, 0.5, 0.5)
    assert found.of(measured(0.39, 0.6)).is_sure
    assert not Requirement("ap[cat]", 0.51).of(measured(0.39, 0.6)).is_met
    assert [each.name for each in Requirements.parse(["ap[cat]=0.4", "ap[traffic light]=0.3"])]
    with pytest.raises(QParetoError, match=r"^There are no true boxes of a class 'dog', only of cat\.$"):
        Requirement("ap[dog]", 0.4).of(measured(0.39, 0.6))
    with pytest.raises(QParetoError, match=r"ap\[cat\]=2 is out of range: ap\[cat\] is AP50-95 of the class cat"):
        Requirement.parse("ap[cat]=2")


def test_a_preset_is_the_limit_that_it_stands_for() -> None:
    found = Requirement.parse("yolo-99")
    assert (found.name, found.limit, str(found)) == ("map_share", 0.99, "yolo-99")
    assert found.as_json() == found.as_json() | {"sense": "at least", "limit": 0.99, "preset": "yolo-99"}
    assert found.of(measured(0.396, 0.6)).is_met
    assert not found.of(measured(0.3959, 0.6)).is_met
    assert {PRESETS[name] for name in ("yolo-99", "yolo-95")} == {("map_share", 0.99), ("map_share", 0.95)}


@given(st.sampled_from(sorted(QUANTITIES)))
def test_what_is_written_is_read_back(name: str) -> None:
    wanted = Requirement(name, QUANTITIES[name].example)
    assert Requirement.parse(str(wanted)) == wanted


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["map_dorp=0.01"], "'map_dorp' is nothing that can be required: the nearest is 'map_drop'"),
        (["yolo-98"], "the nearest is 'yolo-99'"),
        (["engine_bytes=4"], "the nearest is 'engine_mib'"),
        ([""], "'' is nothing that can be required"),
        (["map_drop"], "'map_drop': it has no limit; write one such as map_drop=0.01"),
        (["map_drop="], "it has no limit"),
        (["latency_ratio=75%"], "'75%' is no number; write one such as latency_ratio=0.75"),
        (["latency_ratio=75"], "latency_ratio=75 is out of range: .* part of the reference's latency, .* up to 10"),
        (["latency_ms=0"], "its limit lies above 0"),
        (["latency_ms=nan"], "latency_ms=nan is out of range"),
        (["engine_mib=inf"], "out of range"),
        (["map_drop=1"], r"one point is 0\.01"),
        (["map_share=1.01"], "from 0 to 1"),
        (["yolo-99=0.5"], "yolo-99 is a preset and takes no limit"),
        (["map_drop=0.01", "map_drop=0.02"], "map_drop is required twice, by map_drop=0.01 and by map_drop=0.02"),
        (["yolo-99", "yolo-99"], "map_share is required twice, by yolo-99 and by yolo-99"),
        (["yolo-99", "yolo-95"], "map_share is required twice, by yolo-99 and by yolo-95"),
        (["map_share=0.9", "yolo-95"], "map_share is required twice, by map_share=0.9 and by yolo-95"),
        ([], "Nothing is required"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_way_out(texts: list[str], said: str) -> None:
    with pytest.raises(QParetoError, match=said) as refused:
        Requirements.parse(texts)
    assert "\n" not in str(refused.value)


def test_limits_of_different_quantities_may_stand_together() -> None:
    found = Requirements.parse(["yolo-99", "map_drop=0.01", "latency_ratio=0.75", "latency_ms=12"])
    assert [requirement.name for requirement in found] == ["map_share", "map_drop", "latency_ratio", "latency_ms"]
    assert str(found) == "yolo-99 and map_drop=0.01 and latency_ratio=0.75 and latency_ms=12"
    assert [finding.is_met for finding in found.of(measured(0.39, 0.6))] == [False, True, True, True]
