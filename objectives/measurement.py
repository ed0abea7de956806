"""A measurement: what one engine scored on one device, complete enough to be believed and repeated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..errors import CandidateError, StudyError
from ..spaces.calibration import CalibrationChoice
from ..spaces.candidate import Candidate
from ..spaces.masks import LayerMask

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one engine scored. Latencies exclude preprocessing and postprocessing.

    Args:
        map50_95, map50: COCO mean average precision over the evaluation images, 0..1.
        map50_95_change: this engine's map50_95 less the reference's.
        map50_95_change_ci: 95 % interval of the change by a paired bootstrap over images, low <= high.
        ap_small, ap_medium, ap_large: AP50-95 by COCO's object sizes; None without ground truth of that size.
        ap_by_class: class name -> AP50-95; None for a class without ground truth.
        latency_ms: `latency_ratio` times the reference's milliseconds: comparable over a study.
        latency_median_ms, latency_p90_ms, latency_p95_ms, latency_p99_ms: as timed, in this measurement; of runs on a
            GPU, each the mean of as many replays as make 5 ms. p90 and p99 are None in measurements made before they
            were kept.
        latency_p90_bound_ms, latency_p99_bound_ms: that percentile of all runs there could be is below this with a
            confidence of 99 %, see latency/percentiles.py; None where too few runs were timed to tell.
        latency_cold_ms: the first run after loading; None in measurements made before it was kept.
        latency_ratio: median over pairs of this engine's time over the reference's; below 1 is faster.
        latency_ratio_ci: where a new timing of this candidate, built anew and in a new process, lies with 95 %, low <=
            high; of measurements without `latency_spread`, the timing's own interval.
        latency_own_ci: 95 % interval of the ratio within its own process; None where it was not told apart.
        latency_timings: processes that timed it; the ratio is their geometric mean.
        latency_spread: standard deviation of the ratio's logarithm between processes and builds, see latency/spread.py.
        reference_ms: the reference's median in the same breath.
        pairs: timed pairs of reference and candidate.
        flags: what disturbed the timing, such as `foreign_load`; empty if nothing did.
        foreign_load: share of the machine's CPU time that others used while timing, 0..1; None if unknown.
        engine_bytes: size of the engine's files.
        mask: the mask's word; `int8_layers` its names.
        calibration: as METHOD:SIZE; None where nothing is INT8, since it has no effect then.
        float_type, batch, threads: how the engine was built and run; threads are None where it ran on a GPU.
        engine, device: kind of engine, and the device's own name.
        images: evaluation images scored.
        versions: libraries and drivers.
        readings: of the device while timing, by name with unit: clocks, temperature, power; empty where it tells none.
        energy_mj: millijoules of one run, the whole board's; None where the device does not tell.
        int8_ran: how many of `int8_layers` the engine really runs in INT8; None where it does not tell.
        no_int8_kernel: layers that the candidate had in INT8, and that are float: the device has no kernel for them.
        reformats: layers of the engine that only turn a tensor's type or layout; None where it does not tell.
        reformat_share: part of the layers' time that those take, 0..1; None where layers were not timed.
        parity: how far the engine was from its graph on a few images, see accuracy/parity.py; empty if not compared.
        seconds: by step (`build`, `race`, `time`, `evaluate`, ...), what its process spent on it since the measurement
            before; without what was found in the cache, or waited for while others held the device.
        model_hash, dataset_hash, graph_hash: content hashes; equal graph hashes are equal engines.
    """

    map50_95: float
    map50: float
    map50_95_change: float
    map50_95_change_ci: tuple[float, float]
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ap_by_class: Mapping[str, float | None]
    latency_ms: float
    latency_median_ms: float
    latency_p95_ms: float
    latency_ratio: float
    latency_ratio_ci: tuple[float, float]
    reference_ms: float
    pairs: int
    flags: tuple[str, ...]
    foreign_load: float | None
    engine_bytes: int
    mask: str
    int8_layers: tuple[str, ...]
    calibration: str | None
    float_type: str
    batch: int
    threads: int | None
    engine: str
    device: str
    images: int
    versions: Mapping[str, str]
    model_hash: str
    dataset_hash: str
    graph_hash: str
    readings: Mapping[str, float | str] = field(default_factory=dict)
    parity: Mapping[str, float] = field(default_factory=dict)
    latency_p90_ms: float | None = None
    latency_p90_bound_ms: float | None = None
    latency_p99_ms: float | None = None
    latency_p99_bound_ms: float | None = None
    latency_cold_ms: float | None = None
    latency_own_ci: tuple[float, float] | None = None
    latency_spread: float | None = None
    latency_timings: int = 1
    energy_mj: float | None = None
    int8_ran: int | None = None
    no_int8_kernel: tuple[str, ...] = ()
    reformats: int | None = None
    reformat_share: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        for name in ("map50_95", "map50"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in 0..1, got {getattr(self, name)}")
        for name in ("latency_ms", "latency_median_ms", "latency_ratio", "reference_ms"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive and finite, got {value}")
        for name in ("latency_ratio_ci", "map50_95_change_ci"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(f"{name} must be (low, high), got {(low, high)}")

    @property
    def run_by(self) -> str:
        """Such as 'batch 1, 2 threads'."""
        return f"batch {self.batch}" + (f", {self.threads} threads" if self.threads else "")

    @property
    def reference_map50_95(self) -> float:
        """The reference's mAP50-95 on the same images."""
        return self.map50_95 - self.map50_95_change

    def candidate(self, layers: Sequence[str]) -> Candidate:
        """What was measured, given the names of the model's layers that can run in INT8."""
        choice = CalibrationChoice.parse(self.calibration) if self.calibration else CalibrationChoice("max", 1)
        return Candidate(choice, LayerMask.from_word(layers, self.mask))

    def values(self, objectives: tuple[str, ...]) -> tuple[float, ...]:
        """The objectives' values, in their order, each in its own direction, see objective.py.

        Raises:
            CandidateError: the device does not tell one of them.
        """
        values = [getattr(self, name) for name in objectives]
        if None in values:
            name = objectives[values.index(None)]
            raise CandidateError(f"{self.device} tells no {name}: take it out of `objectives`.")
        return tuple(float(value) for value in values)

    def as_json(self) -> dict[str, Any]:
        """A JSON object with every field; tuples become lists."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        """Inverse of `as_json`.

        Raises:
            StudyError: the object was written in another format.
        """
        if data.get("format") != FORMAT:
            raise StudyError(
                f"A measurement of format {data.get('format')} was found, but this qpareto reads format {FORMAT}: "
                "use the version that wrote it, or measure anew."
            )
        known = {each.name for each in fields(cls)}
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in known}
        return cls(**values)
