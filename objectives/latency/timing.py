"""The timing part of a measurement: an engine's latency as a study tells it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..interval import Interval
from .paired import PairedLatency
from .spread import Spread


@dataclass(frozen=True, kw_only=True)
class Timing(PairedLatency):
    """What was timed, in the study's milliseconds. Latencies exclude preprocessing and postprocessing.

    Args:
        ratio: its interval is where a new timing of this candidate, built anew and in a new process, lies with 95 %; of
            measurements without `spread`, the timing's own.
        own: the ratio with its interval within its own process.
        ms: the ratio times the reference's milliseconds as the study tells them: comparable over a study.
        spread: standard deviation of the ratio's logarithm between processes and builds, see `Spread`; None in
            measurements made before it was kept.
    """

    own: Interval
    ms: float
    spread: float | None = None

    def __post_init__(self) -> None:
        told = {"latency_ms": self.ms, "latency_median_ms": self.median_ms, "reference_ms": self.reference_ms}
        for name, value in {**told, "latency_ratio": self.ratio.value}.items():
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive and finite, got {value}")
        if not self.ratio.low <= self.ratio.high:
            raise ValueError(f"latency_ratio_ci must be (low, high), got {self.ratio.ends}")

    @classmethod
    def of(cls, paired: PairedLatency, spread: Spread, *, reference_ms: float) -> Timing:
        """A timing on a machine of this spread, told in these milliseconds of the reference."""
        own = paired.ratio
        timed = cls(**vars(paired), own=own, ms=own.value * reference_ms, spread=spread.deviation)
        return timed.by_spread(spread)

    def by_spread(self, spread: Spread) -> Timing:
        """The same, the ratio's interval by this spread."""
        return replace(self, ratio=spread.around(self.own, timings=self.timings))

    @property
    def unit_ms(self) -> float:
        """The reference's milliseconds in which `ms` is told."""
        return self.ms / self.ratio.value
