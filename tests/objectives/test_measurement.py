from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_up_trials import measured
from qpareto.errors import StudyError
from qpareto.objectives.measurement import FORMAT, Measurement
from qpareto.objectives.objective import values_of

ROOT = Path(__file__).resolve().parents[2]

shares = st.floats(0, 1)


def measurements_in(kept: object) -> Iterator[dict[str, Any]]:
    """Every measurement somewhere in a JSON document."""
    if isinstance(kept, dict) and "latency_median_ms" in kept:
        yield kept
    elif isinstance(kept, dict | list):
        for part in kept.values() if isinstance(kept, dict) else kept:
            yield from measurements_in(part)


@given(shares, st.floats(0.01, 10), st.lists(st.text()), st.none() | shares)
def test_a_measurement_survives_json(map50_95: float, ratio: float, names: list[str], part: float | None) -> None:
    changes: dict[str, Any] = {"int8_layers": tuple(names), "ap_small": part, "ap_by_class": {"cat": part}}
    found = measured(map50_95, ratio, **changes)
    assert Measurement.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_the_keys_that_scripts_rely_on_are_there() -> None:
    keys = {"map50_95", "map50", "latency_ms", "latency_p95_ms", "latency_ratio", "latency_ratio_ci", "engine_bytes"}
    found = measured(0.4, 1.0).as_json()
    assert keys | {"mask", "int8_layers", "calibration", "device"} <= found.keys()
    assert found["latency_ratio_ci"] == [0.99, 1.02]
    assert found["int8_layers"] == ["/model.0/Conv", "/model.1/Conv"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"map50_95": 1.5}, "map50_95 must lie in 0..1"),
        ({"map50_95": float("nan")}, "map50_95 must lie in 0..1"),
        ({"map50": -0.1}, "map50 must lie in 0..1"),
        ({"latency_ms": 0.0}, "latency_ms must be positive"),
        ({"latency_median_ms": float("inf")}, "latency_median_ms must be positive and finite"),
        ({"latency_ratio": float("nan")}, "latency_ratio must be positive"),
        ({"reference_ms": -1.0}, "reference_ms must be positive"),
        ({"latency_ratio_ci": (1.2, 0.9)}, "latency_ratio_ci must be"),
        ({"map50_95_change_ci": (0.1, float("nan"))}, "map50_95_change_ci must be"),
    ],
)
def test_figures_that_cannot_be_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        measured(**{"map50_95": 0.4, "ratio": 1.0} | changes)


@pytest.mark.parametrize("study", ["yolo11n-coco-cpu", "yolov5n-coco-cpu"])
def test_what_studies_hold_is_read_and_written_as_it_stands(study: str) -> None:
    text = (ROOT / "benchmarks" / "results" / "recorded" / f"{study}.json").read_text(encoding="utf-8")
    kept = list(measurements_in(json.loads(text)))
    assert len(kept) > 10
    for each in ({**each, "int8_layers": ["its mask tells them"]} for each in kept):
        found = Measurement.from_json(each)
        assert found.as_json() == each
        before_keys = {name: value for name, value in each.items() if name not in ("engine_key", "accuracy_key")}
        assert Measurement.from_json(before_keys).as_json() == each | {"engine_key": None, "accuracy_key": None}
        assert found.timing.own.ends == tuple(each["latency_own_ci"])
        assert found.accuracy.reference_value == each["map50_95"] - each["map50_95_change"]


def test_before_the_spread_was_kept_a_ratios_interval_was_the_timings_own() -> None:
    kept = measured(0.4, 0.5).as_json()
    del kept["latency_own_ci"], kept["latency_spread"]
    found = Measurement.from_json(kept).timing
    assert (found.own, found.spread) == (found.ratio, None)


def test_the_keys_of_what_the_store_keeps_survive_json() -> None:
    found = measured(0.4, 0.5, engine_key="e", accuracy_key="a")
    assert (found.engine.key, found.accuracy.key) == ("e", "a")
    assert Measurement.from_json(found.as_json()) == found


def test_another_format_is_refused_and_unknown_fields_are_left_out() -> None:
    found = measured(0.4, 1.0)
    with pytest.raises(StudyError, match=f"format 99 was found, but this qpareto reads format {FORMAT}"):
        Measurement.from_json(found.as_json() | {"format": 99})
    assert Measurement.from_json(found.as_json() | {"added_later": 1}) == found


def test_what_was_measured_before_p90_and_p99_were_kept_is_read_without_them() -> None:
    kept = {k: v for k, v in measured(0.4, 1.0).as_json().items() if not k.startswith(("latency_p90", "latency_p99"))}
    found = Measurement.from_json(kept)
    assert (found.timing.p90.ms, found.timing.p99.bound_ms, found.timing.p95_ms) == (None, None, 25.0)


def test_objectives_are_fields_told_in_the_order_asked() -> None:
    found = measured(0.4, 0.5)
    assert values_of(found, ("latency_ms", "map50_95", "engine_bytes")) == (10.0, 0.4, float(3 << 20))
