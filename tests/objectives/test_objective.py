"""The table of objectives: fields of a measurement, compared by their intervals where they have one."""

from __future__ import annotations

import pytest

from made_up_trials import measured
from qpareto.errors import CandidateError
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.objective import OBJECTIVES, directions_of, values_of


def test_a_measurement_tells_objectives_by_the_same_name_in_json() -> None:
    found = measured(0.4, 0.5, energy_mj=3.0)
    told = {name: objective.told(found) for name, objective in OBJECTIVES.items() if name != "top1"}
    assert told.items() <= found.as_json().items()
    assert all(name == objective.name for name, objective in OBJECTIVES.items())


def test_what_a_device_does_not_tell_is_refused_by_its_name() -> None:
    with pytest.raises(CandidateError, match="tells no energy_mj: take it out of `objectives`"):
        values_of(measured(0.4, 0.5), ("map50_95", "energy_mj"))


def test_a_task_has_one_accuracy_and_tells_no_other() -> None:
    with pytest.raises(CandidateError, match="tells no top1"):
        values_of(measured(0.4, 0.5), ("top1", "latency_ms"))


def test_only_accuracy_is_maximized() -> None:
    assert directions_of(["latency_ms", "map50_95", "top1", "engine_bytes", "energy_mj"]) == [
        "minimize",
        "maximize",
        "maximize",
        "minimize",
        "minimize",
    ]


def test_a_kind_without_an_energy_counter_measures_all_but_energy() -> None:
    measured_by = {kind: [n for n, o in OBJECTIVES.items() if o.measured_by(engine_kind(kind))] for kind in _KINDS}
    assert measured_by["openvino"] == ["map50_95", "top1", "latency_ms", "engine_bytes"]
    assert measured_by["tensorrt"] == [*measured_by["openvino"], "energy_mj"]


_KINDS = ("openvino", "tensorrt")


@pytest.mark.parametrize(("ratio_ci", "is_better"), [((0.45, 0.49), True), ((0.45, 0.51), False)])
def test_a_latency_is_better_beyond_both_intervals_only(ratio_ci: tuple[float, float], is_better: bool) -> None:
    one = measured(0.4, 0.47, latency_ratio_ci=ratio_ci)
    other = measured(0.4, 0.55, latency_ratio_ci=(0.50, 0.60))
    latency = OBJECTIVES["latency_ms"]
    assert latency.better(one, other) is is_better
    assert latency.ties(one, other) is not is_better
    assert not latency.better(other, one)


def test_an_accuracy_is_better_if_its_whole_interval_is_above() -> None:
    one, other = (measured(0.4, 0.5, map50_95_change_ci=interval) for interval in ((-0.002, 0.004), (-0.02, -0.003)))
    accuracy = OBJECTIVES["map50_95"]
    assert accuracy.better(one, other)
    assert not accuracy.better(other, one)


def test_of_sizes_any_difference_is_one_and_none_settles_a_tie() -> None:
    small, large = (measured(0.4, 0.5, engine_bytes=size) for size in (1000, 1001))
    size = OBJECTIVES["engine_bytes"]
    assert size.better(small, large)
    assert not size.better(large, small)
    assert size.ties(small, large)
