"""When timing is found to be wrong, when it is only disturbed, and what is told of a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from networks import small_network
from qpareto.errors import EngineError
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.interval import Interval
from qpareto.objectives.latency.paired import PairedLatency
from qpareto.objectives.latency.percentiles import Percentile
from qpareto.objectives.promises import measuring
from qpareto.objectives.promises.check import Untried
from qpareto.objectives.promises.subject import Subject
from qpareto.objectives.store import Store
from qpareto.spaces.model import read_model

READINGS = {"samples": 40, "sm_clock_mhz": 1980.0, "sm_clock_lowest_mhz": 1965.0, "celsius": 51.0}
TimedAs = Callable[..., None]


def timed(ratio: float, half_width: float, **others: object) -> PairedLatency:
    percentiles = {"p90": Percentile(ms=2.4, bound_ms=None), "p95_ms": 2.5, "p99": Percentile(ms=2.6, bound_ms=None)}
    milliseconds = {"reference_ms": 2.0, "median_ms": 2.0 * ratio, "cold_ms": 3.0, **percentiles}
    around = Interval(ratio, ratio - half_width, ratio + half_width)
    return PairedLatency(pairs=40, ratio=around, **milliseconds, **others)  # type: ignore[arg-type]


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    model = read_model(small_network(tmp_path / "m.onnx"))
    return Subject(model=model, kind=engine_kind("openvino"), store=Store(tmp_path))


@pytest.mark.parametrize(("ratio", "half_width"), [(1.0, 0.001), (0.991, 0.001), (1.04, 0.03)])
def test_a_ratio_to_itself_near_1_passes_with_its_spread(
    ratio: float, half_width: float, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_timed", lambda *_: timed(ratio, half_width))
    figures = measuring.times_the_float_engine_against_itself(subject)
    assert f"ratio {ratio:.4f}, 95 % {ratio - half_width:.4f} to {ratio + half_width:.4f}, 40 pairs" in figures
    assert "disturbed by nothing, p90 2.400 ms, p99 2.600 ms, first run 3.000 ms" in figures


@pytest.mark.parametrize(("ratio", "half_width"), [(1.012, 0.001), (0.9, 0.02)])
def test_an_engine_that_is_another_speed_than_itself_fails_unless_it_was_disturbed(
    ratio: float, half_width: float, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_timed", lambda *_: timed(ratio, half_width, flags=("wide_interval",)))
    with pytest.raises(EngineError, match="ratio to itself is not 1"):
        measuring.times_the_float_engine_against_itself(subject)
    monkeypatch.setattr(measuring, "_timed", lambda *_: timed(ratio, half_width, flags=("foreign_load",)))
    with pytest.raises(Untried, match="disturbed by foreign_load"):
        measuring.times_the_float_engine_against_itself(subject)


@pytest.mark.parametrize(
    ("ratio", "half_width", "said"),
    [
        (1.03, 0.005, "depends on the image"),
        (0.97, 0.005, "depends on the image"),
        (1.002, 0.004, "does not depend on the image"),
        (1.002, 0.03, "may depend on the image, which takes a longer or quieter timing to tell"),
    ],
)
def test_that_speed_does_not_depend_on_the_image_is_said_only_where_the_interval_is_narrow(
    ratio: float, half_width: float, said: str
) -> None:
    assert measuring.verdict_on_images(timed(ratio, half_width)) == said


def test_nothing_is_timed_of_an_engine_that_did_not_build(subject: Subject) -> None:
    with pytest.raises(Untried, match="the float engine did not build"):
        measuring.times_the_int8_engine(subject)


def test_a_gpu_that_tells_all_is_shown_with_units(subject: Subject) -> None:
    told = READINGS | {"power_w": 312.4, "throttled": "sw_power_cap 3", "foreign_processes": 1}
    subject.timings["INT8"] = timed(0.5, 0.001, readings=told, energy_mj=81.04)
    assert measuring.reads_the_gpu(subject) == (
        "40 samples, SM 1980 MHz (lowest 1965), 51 °C, 312 W, energy 81.0 mJ a run, "
        "throttled by sw_power_cap 3, 1 other processes on the GPU"
    )


def test_a_gpu_without_power_and_energy_is_no_failure(subject: Subject) -> None:
    subject.timings["INT8"] = timed(0.5, 0.001, readings=READINGS)
    found = measuring.reads_the_gpu(subject)
    assert "power not told, energy not told, throttled by nothing, 0 other processes" in found


def test_a_driver_that_does_not_tell_the_clocks_is_a_failure(subject: Subject) -> None:
    subject.timings["INT8"] = timed(0.5, 0.001)
    with pytest.raises(EngineError, match="does not tell clocks"):
        measuring.reads_the_gpu(subject)


def test_without_a_timing_the_gpu_is_not_read(subject: Subject) -> None:
    with pytest.raises(Untried, match="nothing was timed"):
        measuring.reads_the_gpu(subject)
