"""Latency of an engine against the reference engine, both timed in the same breath."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..interval import Interval
from .copies import Copies
from .interval import BATCHES, interval_in_time, interval_of_copies
from .percentiles import Percentile, greatest
from .telemetry import HostLoad
from .watch import Observation, Watch

TimedRun = Callable[[int], float]  # one inference on the input whose turn it is; its milliseconds, above 0

DISTURBANCES = frozenset({"foreign_load", "cpu_throttled", "foreign_process", "throttled"})  # flags of what a watch saw

_STEADY_RUNS = 10  # runs whose median is compared with that of the runs before them
_STEADY_WITHIN = 0.05
_LOOK_GROWTH = 1.25  # the interval is looked at rarely: each look is a chance to stop on a lucky one


@dataclass(frozen=True, kw_only=True)
class LatencyBudget:
    """How long latency is measured.

    Args:
        ci_width: enough is measured when the ratio's 95 % interval, high less low, is at most this part of the ratio.
        min_pairs: measured in any case, however long they take; at least 20. Fewer than 64 give no bound of p90.
        max_pairs, max_seconds: no more is measured than this, even if the interval is still wide.
        warmup_seconds: warm-up ends when both engines are steady, at the latest after this.
        repeats: how often a measurement that other programs disturbed is made again.
        copies: of each engine, on a device where it matters where memory lies and there is room; at least 1, and no
            more than half of `min_pairs`.
    """

    ci_width: float = 0.01
    min_pairs: int = 64
    max_pairs: int = 2000
    max_seconds: float = 20.0
    warmup_seconds: float = 2.0
    repeats: int = 2
    copies: int = 8

    def __post_init__(self) -> None:
        if not 2 * BATCHES <= self.min_pairs <= self.max_pairs:
            raise ValueError(f"need {2 * BATCHES} <= min_pairs <= max_pairs, got {self.min_pairs} and {self.max_pairs}")
        if not 1 <= self.copies <= self.min_pairs // 2:
            raise ValueError(f"need 1 <= copies <= min_pairs / 2, got {self.copies} and {self.min_pairs}")


@dataclass(frozen=True, kw_only=True)
class PairedLatency:
    """What was measured. Everything timed after the warm-up counts; nothing is dropped.

    Args:
        pairs: timed pairs, even.
        reference_ms, median_ms: the reference's median in the same breath, and the candidate's; of runs on a GPU, each
            the mean of as many replays as make 5 ms.
        p90, p95_ms, p99: percentiles of the candidate's.
        cold_ms: its first run after loading, before any warm-up; None in measurements made before it was kept.
        ratio: candidate over reference; below 1 is faster. Median over blocks of two pairs, on a GPU the mean of those
            of several copies, within its interval.
        foreign_load: share of the machine's CPU time that others used meanwhile, 0..1; None if unknown.
        readings: of the device meanwhile, by name with unit; empty where its driver tells nothing. `copies`: of each
            engine, if several.
        energy_mj: of one run of the candidate, if measured too.
        timings: processes that it is of, each with its own load of the engines, at least 1.
        flags: `wide_interval` (the budget ended first), `not_steady` (the warm-up ended first), `foreign_load`
            (disturbed, and so were its repeats), `cpu_throttled` (stopped by its container's CPU quota, and so in its
            repeats), `load_unknown` (this system does not tell); on a GPU
            `throttled` (it lowered its clocks), `foreign_process` (another computed on it).
    """

    pairs: int
    reference_ms: float
    median_ms: float
    p90: Percentile
    p95_ms: float
    p99: Percentile
    ratio: Interval
    cold_ms: float | None = None
    foreign_load: float | None = None
    readings: Mapping[str, float | str] = field(default_factory=dict)
    energy_mj: float | None = None
    timings: int = 1
    flags: tuple[str, ...] = ()

    @property
    def is_disturbed(self) -> bool:
        """Whether somebody else used the device meanwhile, or it was throttled: then the interval tells too little."""
        return not DISTURBANCES.isdisjoint(self.flags)


def combined(timed: Sequence[PairedLatency]) -> PairedLatency:
    """Several timings of one candidate, of processes and perhaps builds of their own, as one.

    Ratio and interval are geometric means, milliseconds medians, percentiles and their bounds the greatest, pairs sums;
    whatever disturbed one disturbed all. The interval stays that of a timing: how far timings lie apart is `Spread`'s
    to tell.

    Args:
        timed: at least one.
    """
    ratio = np.exp(np.log([each.ratio for each in timed]).mean(axis=0))
    energies = [each.energy_mj for each in timed if each.energy_mj is not None]
    return replace(
        timed[-1],
        pairs=sum(each.pairs for each in timed),
        reference_ms=float(np.median([each.reference_ms for each in timed])),
        median_ms=float(np.median([each.median_ms for each in timed])),
        p90=greatest([each.p90 for each in timed]),
        p95_ms=max(each.p95_ms for each in timed),
        p99=greatest([each.p99 for each in timed]),
        ratio=Interval(*ratio.tolist()),
        energy_mj=float(np.median(energies)) if energies else None,
        timings=sum(each.timings for each in timed),
        flags=tuple(dict.fromkeys(flag for each in timed for flag in each.flags)),
    )


def paired_latency(
    reference: Copies, candidate: Copies, *, budget: LatencyBudget, load: Watch | None = None
) -> PairedLatency:
    """Time two engines, whose inputs are loaded, the same in the same order, while nothing else uses the machine.

    Waits for quiet first. A measurement that was disturbed all the same is repeated, and the least disturbed one
    is returned, flagged. If the machine does not become quiet, one measurement is made and flagged: repeating it
    would not help.

    Args:
        reference, candidate: as many copies of each.
    """
    watch, copies = load or HostLoad(), len(candidate.engines)
    cold_ms = candidate.run_once_ms()
    disturbed: list[tuple[Observation, PairedTimes]] = []
    for _ in range(1 + budget.repeats):
        quiet = watch.wait_until_quiet()
        times, seen = watch.observe(lambda: interleaved(reference.run_once_ms, candidate.run_once_ms, budget, copies))
        if not seen.disturbance:
            return _summary(times, cold_ms, budget, seen)
        disturbed.append((seen, times))
        if not quiet:
            break
    seen, times = min(disturbed, key=lambda attempt: attempt[0].disturbance)
    return _summary(times, cold_ms, budget, seen)


@dataclass(frozen=True, kw_only=True, eq=False)
class PairedTimes:
    """Milliseconds of timed runs in blocks of four: see `_block`.

    Args:
        blocks: (n_blocks, 4), of reference, candidate, candidate, reference.
        steady: whether the warm-up ended because both were steady.
        copies: of each engine; block after block is of the next.
    """

    blocks: NDArray[np.float64]
    steady: bool
    copies: int = 1

    @property
    def reference_ms(self) -> NDArray[np.float64]:
        return self.blocks[:, [0, 3]].ravel()

    @property
    def candidate_ms(self) -> NDArray[np.float64]:
        return self.blocks[:, [1, 2]].ravel()

    def ratio(self) -> Interval:
        """Candidate over reference with its 95 % interval.

        One value a block: the geometric mean of its two ratios, in which a drift of the machine's speed and any
        advantage of running second cancel.
        """
        return Interval(*map(math.exp, interval_of_copies(self._log_ratios, self.copies)))

    def is_narrow(self, ci_width: float) -> bool:
        """Whether more blocks are not needed: they make it surer in time, and cannot tell more of how copies differ."""
        _, low, high = interval_in_time(self._log_ratios, self.copies)
        return math.exp(high) - math.exp(low) <= ci_width

    @property
    def _log_ratios(self) -> NDArray[np.float64]:
        """(n_blocks,)"""
        logs = np.log(self.blocks)
        return (logs[:, 1] + logs[:, 2] - logs[:, 0] - logs[:, 3]) / 2


def interleaved(reference: TimedRun, candidate: TimedRun, budget: LatencyBudget, copies: int = 1) -> PairedTimes:
    """Warm both up, then run blocks until the ratio's interval is narrow enough or the budget is spent.

    All four runs of a block see one input, so that a ratio is of two engines and never of two images.
    """
    steady = _warm_up(reference, candidate, budget.warmup_seconds)
    rows: list[tuple[float, float, float, float]] = []
    deadline = time.monotonic() + budget.max_seconds
    next_look = math.ceil(budget.min_pairs / 2)
    while True:
        turn = len(rows)
        rows.append(_block(reference, candidate, turn, copies))
        spent = 2 * len(rows) >= budget.max_pairs or time.monotonic() >= deadline
        if len(rows) < next_look and not (spent and 2 * len(rows) >= budget.min_pairs):
            continue
        times = PairedTimes(blocks=np.array(rows), steady=steady, copies=copies)
        if spent or times.is_narrow(budget.ci_width):
            return times
        next_look = math.ceil(len(rows) * _LOOK_GROWTH)


def _block(reference: TimedRun, candidate: TimedRun, turn: int, copies: int) -> tuple[float, float, float, float]:
    """Milliseconds of reference, candidate, candidate, reference, which run in this order.

    Of several copies none runs after itself from one block to the next, so in every second round of them it is the
    reference that does so within a block: an engine finds its own in the caches then.
    """
    if copies == 1 or turn // copies % 2 == 0:
        return reference(turn), candidate(turn), candidate(turn), reference(turn)
    before, one, other, after = candidate(turn), reference(turn), reference(turn), candidate(turn)
    return one, before, after, other


def _warm_up(reference: TimedRun, candidate: TimedRun, limit_s: float) -> bool:
    """Run both in turn until both are steady; False if the time was up first."""
    deadline = time.monotonic() + limit_s
    runs: list[tuple[float, float]] = []
    while True:
        turn = len(runs)
        runs.append((reference(turn), candidate(turn)))
        if _is_steady(runs):
            return True
        if time.monotonic() >= deadline:
            return False


def _is_steady(runs: list[tuple[float, float]]) -> bool:
    if len(runs) < 2 * _STEADY_RUNS:
        return False
    earlier, latest = np.median(np.array(runs[-2 * _STEADY_RUNS :]).reshape(2, _STEADY_RUNS, 2), axis=1)
    return bool(np.all(np.abs(latest / earlier - 1) <= _STEADY_WITHIN))


def _summary(times: PairedTimes, cold_ms: float, budget: LatencyBudget, seen: Observation) -> PairedLatency:
    ratio = times.ratio()
    p90, p99 = (Percentile.of_runs(times.candidate_ms, share) for share in (0.90, 0.99))
    flags = seen.flags
    if not times.is_narrow(budget.ci_width):
        flags = (*flags, "wide_interval")
    if not times.steady:
        flags = (*flags, "not_steady")
    return PairedLatency(
        pairs=2 * len(times.blocks),
        reference_ms=float(np.median(times.reference_ms)),
        median_ms=float(np.median(times.candidate_ms)),
        p90=p90,
        p95_ms=float(np.percentile(times.candidate_ms, 95)),
        p99=p99,
        cold_ms=cold_ms,
        ratio=ratio,
        foreign_load=seen.foreign_load,
        readings={**seen.readings, "copies": times.copies} if times.copies > 1 else seen.readings,
        flags=flags,
    )
