"""Measurements and trials without a model: for tests of what is done with them."""

from __future__ import annotations

from typing import Any

from qpareto.objectives.accuracy.race import Race, Standing, Stopped
from qpareto.objectives.measurement import FORMAT, Measurement
from qpareto.search.results.study_results import Results
from qpareto.search.show.view import StudyView
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.record import TrialRecord

REFERENCE_MAP, REFERENCE_MS = 0.4, 20.0
# of engines at 0.5 and 0.51 of the reference, neither of which is surely the faster one
TIE: dict[str, Any] = {"latency_own_ci": (0.49, 0.53), "latency_ratio_ci": (0.48, 0.54)}


def measured(map50_95: float, ratio: float, **changes: Any) -> Measurement:
    """A measurement against a reference of mAP 0.4 and 20 ms."""
    change = map50_95 - REFERENCE_MAP
    fields: dict[str, Any] = {
        "map50_95": map50_95,
        "map50": 0.6,
        "map50_95_change": change,
        "map50_95_change_ci": (change - 0.002, change + 0.003),
        "ap_small": None,
        "ap_medium": 0.3,
        "ap_large": 0.5,
        "ap_by_class": {"cat": 0.5},
        "latency_ms": ratio * REFERENCE_MS,
        "latency_median_ms": ratio * 21.0,
        "latency_p90_ms": ratio * 24.0,
        "latency_p90_bound_ms": ratio * 24.5,
        "latency_p95_ms": ratio * 25.0,
        "latency_p99_ms": ratio * 26.0,
        "latency_ratio": ratio,
        "latency_ratio_ci": (ratio - 0.01, ratio + 0.02),
        "reference_ms": 21.0,
        "pairs": 80,
        "flags": (),
        "foreign_load": 0.01,
        "engine_bytes": 3 << 20,
        "mask": "3",
        "int8_layers": ("/model.0/Conv", "/model.1/Conv"),
        "calibration": "max:64",
        "float_type": "fp32",
        "batch": 1,
        "threads": 2,
        "engine": "openvino",
        "device": "A CPU [of ours]",
        "images": 328,
        "versions": {"openvino": "1", "modelopt": "2", "qpareto": "3"},
        "model_hash": "m",
        "dataset_hash": "d",
        "graph_hash": f"graph {map50_95} {ratio}",
    }
    return Measurement.from_json(fields | changes | {"format": FORMAT})


def changed(found: Measurement, **changes: Any) -> Measurement:
    """The same with other figures, by their names in JSON."""
    return Measurement.from_json(found.as_json() | changes)


def stopped(map50_95: float, ratio: float, *, images: int = 41) -> Stopped:
    """A candidate of which so much is foretold, stopped by trial 0, which scores 0.4."""
    difference = map50_95 - REFERENCE_MAP
    return Stopped(
        standing=Standing(images=images, of_images=328, value=0.45, difference=difference, spread=0.01),
        rival=0,
        rival_value=REFERENCE_MAP,
        latency_ms=ratio * REFERENCE_MS,
        latency_ratio=ratio,
        latency_ratio_ci=(ratio - 0.01, ratio + 0.01),
        race=Race(),
    )


def trial(number: int, measurement: Measurement | None, **changes: Any) -> TrialRecord:
    """A complete trial, or one that failed if there is no measurement."""
    fields: dict[str, Any] = {
        "number": number,
        "outcome": Outcome.COMPLETE if measurement else Outcome.FAILED,
        "measurement": measurement,
        "reason": None if measurement else "The engine crashed.",
        "params": {},
    }
    return TrialRecord(**fields | changes)


def results_of(*records: TrialRecord, objectives: tuple[str, ...] = ("map50_95", "latency_ms")) -> Results:
    return Results(records, objectives=objectives, float_type="fp32")


def results_with_a_surer_answer() -> Results:
    """The answer, trial 1, is off the front: trial 2 is ahead of it, but less sure to lose at most 0.01."""
    sure = {"map50_95_change": -0.005, "map50_95_change_ci": (-0.009, -0.001), **TIE}
    unsure = {"map50_95_change": -0.004, "map50_95_change_ci": (-0.014, 0.006), **TIE}
    return results_of(
        trial(0, measured(0.4, 1.0, mask="0", int8_layers=()), baseline="float"),
        trial(1, measured(0.395, 0.51, mask="6", int8_layers=("a", "b"), **sure)),
        trial(2, measured(0.396, 0.5, mask="7", int8_layers=("a", "b", "c"), **unsure)),
    )


def typical_results() -> Results:
    """Four recipes, one told again, one bf16 and on the front; three points of the search; a failure."""
    return results_of(
        trial(0, measured(0.4, 1.0, mask="0", int8_layers=(), calibration=None), baseline="float"),
        trial(1, measured(0.38, 0.6), baseline="modelopt-max"),
        trial(2, measured(0.38, 0.6), baseline="ultralytics", reused_from=1),
        trial(3, measured(0.399, 0.75, float_type="bf16", int8_layers=(), calibration=None), baseline="bf16"),
        trial(4, measured(0.395, 0.7, flags=("foreign_load",))),
        trial(5, measured(0.39, 0.58)),
        trial(6, measured(0.37, 0.9)),
        trial(7, None),
        trial(8, measured(0.39, 0.58), reused_from=5),
    )


def view_of(results: Results, *, infeasible: frozenset[int] = frozenset()) -> StudyView:
    """What is shown of results that no storage holds."""
    return StudyView(
        name="made up",
        results=results,
        ended={},
        begun=None,
        infeasible=infeasible,
        space={},
        trials=(),
        expected=None,
    )
