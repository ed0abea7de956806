"""Interleaved timing on simulated machines whose true ratio is known, and on real engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.engines import SmallDetector, random_images
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.interval import Interval
from qpareto.objectives.latency.copies import Copies
from qpareto.objectives.latency.interval import median_interval
from qpareto.objectives.latency.paired import (
    LatencyBudget,
    PairedLatency,
    PairedTimes,
    combined,
    interleaved,
    paired_latency,
)
from qpareto.objectives.latency.percentiles import Percentile
from qpareto.objectives.latency.telemetry import HostLoad

T = TypeVar("T")

RATIO = 0.6
RUNS = 8_000  # more than any budget here spends
BUDGET = LatencyBudget(ci_width=0.01, min_pairs=40, max_pairs=2000)
Noise = Callable[[np.random.Generator], NDArray[np.float64]]


class SimulatedMachine:
    """Two engines on one time axis: run i of either takes its true time, times the machine's noise at moment i.

    Args:
        noise: log-factor on every run, whichever engine it is of, in time order.
        candidate_noise: further log-factor on the candidate's runs alone.
    """

    def __init__(self, noise: NDArray[np.float64], candidate_noise: NDArray[np.float64] | None = None) -> None:
        extra = np.zeros(len(noise)) if candidate_noise is None else candidate_noise
        reference_ms: list[float] = np.exp(noise).tolist()
        candidate_ms: list[float] = (RATIO * np.exp(noise + extra)).tolist()
        self._times = iter(zip(reference_ms, candidate_ms, strict=True))
        self.order = ""
        self.turns: list[int] = []

    def reference(self, turn: int) -> float:
        self.order += "r"
        self.turns.append(turn)
        return next(self._times)[0]

    def candidate(self, turn: int) -> float:
        self.order += "c"
        self.turns.append(turn)
        return next(self._times)[1]

    def measure(self, budget: LatencyBudget) -> PairedTimes:
        return interleaved(self.reference, self.candidate, budget)


def _gauss(random: np.random.Generator) -> NDArray[np.float64]:
    return 0.02 * random.standard_normal(RUNS)


def _is_in_burst(random: np.random.Generator, mean_length: float, share: float) -> NDArray[np.float64]:
    """1 in bursts, else 0: a two-state Markov chain."""
    leave = 1 / mean_length
    enter = leave * share / (1 - share)
    switches, state = random.random(RUNS), np.zeros(RUNS)
    for i in range(1, RUNS):
        state[i] = switches[i] >= leave if state[i - 1] else switches[i] < enter
    return state


MACHINES: dict[str, Noise] = {
    "quiet": _gauss,
    "heavy tails": lambda random: 0.01 * random.standard_t(1.5, RUNS).clip(-50, 50),
    "getting slower": lambda random: _gauss(random) + np.linspace(0, 1, RUNS),
    "wandering": lambda random: _gauss(random) + np.cumsum(0.01 * random.standard_normal(RUNS)),
    "bursts": lambda random: _gauss(random) + 0.5 * _is_in_burst(random, mean_length=20, share=0.15),
    "every second run faster": lambda random: _gauss(random) - 0.05 * (np.arange(RUNS) % 2),
}


def _coverage(machine: Callable[[int], SimulatedMachine], true_ratio: float) -> float:
    """Share of measurements whose interval holds the true ratio, the rule for stopping included."""
    results = [machine(seed).measure(BUDGET).ratio() for seed in range(150)]
    return float(np.mean([low <= true_ratio <= high for _, low, high in results]))


@pytest.mark.parametrize("name", MACHINES)
def test_19_of_20_intervals_hold_the_true_ratio_whatever_both_engines_suffer(name: str) -> None:
    assert _coverage(lambda seed: SimulatedMachine(MACHINES[name](np.random.default_rng(seed))), RATIO) >= 0.94


def test_few_intervals_miss_the_true_ratio_even_if_bursts_hit_the_candidate_harder() -> None:
    def machine(seed: int) -> SimulatedMachine:
        random = np.random.default_rng(seed)
        burst = _is_in_burst(random, mean_length=20, share=0.15)
        return SimulatedMachine(_gauss(random) + 0.4 * burst, 0.08 * burst)

    long_run = [machine(10_000 + seed).measure(replace(BUDGET, ci_width=0, max_pairs=3000)) for seed in range(20)]
    true_ratio = float(np.median([times.ratio()[0] for times in long_run]))
    assert true_ratio > RATIO * 1.002
    assert _coverage(machine, true_ratio) >= 0.88


class MachineOfCopies(SimulatedMachine):
    """Copy after copy of both engines, each slower or faster than another by some percent."""

    def __init__(self, seed: int, copies: int) -> None:
        random = np.random.default_rng(seed)
        super().__init__(0.1 * _gauss(random))
        self._copies = copies
        self._of_reference, self._of_candidate = np.exp(0.015 * random.standard_normal((2, copies)))

    def reference(self, turn: int) -> float:
        return super().reference(turn) * float(self._of_reference[turn % self._copies])

    def candidate(self, turn: int) -> float:
        return super().candidate(turn) * float(self._of_candidate[turn % self._copies])

    def measure(self, budget: LatencyBudget) -> PairedTimes:
        return interleaved(self.reference, self.candidate, budget, budget.copies)


@pytest.mark.parametrize("copies", [4, 8])
def test_19_of_20_intervals_hold_the_true_ratio_of_engines_whose_copies_differ(copies: int) -> None:
    budget = replace(BUDGET, copies=copies)
    results = [MachineOfCopies(seed, copies).measure(budget).ratio() for seed in range(300)]
    assert np.mean([low <= RATIO <= high for _, low, high in results]) >= 0.93
    assert np.median([high / low - 1 for _, low, high in results]) < (0.075 if copies == 4 else 0.04)
    one_copy = [MachineOfCopies(seed, 1).measure(replace(BUDGET, copies=1)).ratio() for seed in range(300)]
    assert np.mean([low <= RATIO <= high for _, low, high in one_copy]) < 0.2


def test_the_engine_that_runs_after_itself_is_the_other_one_in_every_second_round_of_copies() -> None:
    machine = MachineOfCopies(0, 2)
    times = machine.measure(replace(BUDGET, ci_width=0, min_pairs=20, max_pairs=20, copies=2))
    assert machine.order == "rc" * 20 + ("rccr" * 2 + "crrc" * 2) * 2 + "rccr" * 2
    references, candidates = (by[: len(times.blocks)] for by in (times.reference_ms, times.candidate_ms))
    assert candidates == pytest.approx(RATIO * references, rel=0.1)  # each in its own columns


def test_what_copies_differ_by_makes_no_timing_longer() -> None:
    times = MachineOfCopies(0, 8).measure(replace(BUDGET, copies=8))
    assert 2 * len(times.blocks) == BUDGET.min_pairs
    assert times.is_narrow(BUDGET.ci_width)
    ratio, low, high = times.ratio()
    assert high - low > BUDGET.ci_width * ratio


def test_one_copy_has_the_interval_of_its_median() -> None:
    times = SimulatedMachine(_gauss(np.random.default_rng(0))).measure(BUDGET)
    logs = np.log(times.blocks)
    median = median_interval((logs[:, 1] + logs[:, 2] - logs[:, 0] - logs[:, 3]) / 2)
    assert times.ratio() == pytest.approx(np.exp(median))


def test_runs_alternate_so_that_each_engine_goes_first_as_often() -> None:
    machine = SimulatedMachine(np.zeros(RUNS))
    times = machine.measure(replace(BUDGET, ci_width=0, min_pairs=20, max_pairs=20))
    assert machine.order == "rc" * 20 + "rccr" * 10
    assert times.steady


def test_all_four_runs_of_a_block_and_both_of_a_warm_up_see_one_input_and_the_next_the_next() -> None:
    machine = SimulatedMachine(np.zeros(RUNS))
    machine.measure(replace(BUDGET, ci_width=0, min_pairs=20, max_pairs=20))
    warm_up, blocks = machine.turns[:40], machine.turns[40:]
    assert warm_up == [turn for turn in range(20) for _ in range(2)]
    assert blocks == [turn for turn in range(10) for _ in range(4)]


def test_measuring_ends_when_the_interval_is_narrow_enough() -> None:
    wide, narrow = (
        SimulatedMachine(_gauss(np.random.default_rng(0))).measure(replace(BUDGET, ci_width=width))
        for width in (0.03, 0.01)
    )
    assert len(wide.blocks) < len(narrow.blocks) < BUDGET.max_pairs / 2
    ratio, low, high = narrow.ratio()
    assert high - low <= 0.01 * ratio


def test_the_fewest_pairs_are_measured_even_when_the_seconds_are_spent() -> None:
    times = SimulatedMachine(_gauss(np.random.default_rng(0))).measure(
        replace(BUDGET, ci_width=0, min_pairs=50, max_seconds=0)
    )
    assert len(times.blocks) == 25


def test_the_most_pairs_are_not_exceeded() -> None:
    times = SimulatedMachine(_gauss(np.random.default_rng(0))).measure(replace(BUDGET, ci_width=0, max_pairs=100))
    assert len(times.blocks) == 50


def test_warming_up_goes_on_until_both_are_steady() -> None:
    noise = np.zeros(RUNS)
    noise[:100] = np.linspace(2, 0, 100)
    machine = SimulatedMachine(noise)
    times = machine.measure(replace(BUDGET, max_pairs=40))
    assert machine.order.index("rccr") > 80
    assert np.all(times.reference_ms < 1.1)


def test_nothing_that_was_timed_is_dropped() -> None:
    noise = _gauss(np.random.default_rng(1))
    noise[100] = 5.0
    times = SimulatedMachine(noise).measure(replace(BUDGET, ci_width=0, max_pairs=200))
    assert times.blocks.max() > 50
    assert len(times.reference_ms) == len(times.candidate_ms) == 200


@pytest.mark.parametrize("copies", [0, 21])
def test_a_budget_of_fewer_blocks_than_copies_is_refused(copies: int) -> None:
    with pytest.raises(ValueError, match="1 <= copies <= min_pairs / 2"):
        LatencyBudget(min_pairs=40, copies=copies)


@pytest.mark.parametrize(("low", "high"), [(10, 40), (50, 40)])
def test_a_budget_of_too_few_pairs_is_refused(low: int, high: int) -> None:
    with pytest.raises(ValueError, match="20 <= min_pairs <= max_pairs"):
        LatencyBudget(min_pairs=low, max_pairs=high)


@dataclass(frozen=True)
class ScriptedLoad(HostLoad):
    """Tells a given load for each measurement: no machine is disturbed to order."""

    quiet: bool = True
    shares: Iterator[float | None] = field(default_factory=lambda: iter(()))

    def wait_until_quiet(self) -> bool:
        return self.quiet

    def watched(self, work: Callable[[], T]) -> tuple[T, float | None]:
        return work(), next(self.shares)


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[tuple[Copies, Copies]]:
    kind, options = engine_kind("openvino"), OpenVinoOptions(threads=1)
    folders = []
    for quantized in (False, True):
        folders.append(tmp_path / str(quantized))
        folders[-1].mkdir()
        kind.build(SmallDetector(quantized=quantized).save(tmp_path / "graph.onnx"), folders[-1], options)
    with kind.load(folders[0], options) as reference, kind.load(folders[1], options) as candidate:
        for engine in (reference, candidate):
            engine.load_input(random_images(0))
        yield Copies((reference,)), Copies((candidate,))


SHORT = LatencyBudget(ci_width=10.0, min_pairs=20, max_pairs=20, warmup_seconds=0.1)


def _measured(engines: tuple[Copies, Copies], shares: list[float | None], *, quiet: bool = True) -> PairedLatency:
    load = ScriptedLoad(quiet=quiet, shares=iter([*shares, -1.0]))  # -1: one measurement more than was right
    return paired_latency(*engines, budget=SHORT, load=load)


def test_two_engines_are_timed_and_summed_up(engines: tuple[Copies, Copies]) -> None:
    result = _measured(engines, [0.01])
    assert result.pairs == 20
    assert result.p90.ms is not None
    assert result.p99.ms is not None
    assert 0 < result.median_ms <= result.p90.ms <= result.p95_ms <= result.p99.ms
    assert result.p90.bound_ms is None, "20 runs are too few"
    assert result.reference_ms > 0
    assert 0 < result.ratio.low <= result.ratio.value <= result.ratio.high
    assert result.foreign_load == 0.01
    assert "foreign_load" not in result.flags


def test_a_disturbed_measurement_is_repeated_and_the_quiet_one_counts(engines: tuple[Copies, Copies]) -> None:
    result = _measured(engines, [0.5, 0.04])
    assert result.foreign_load == 0.04
    assert "foreign_load" not in result.flags


def test_of_disturbed_measurements_the_least_disturbed_counts_and_is_flagged(engines: tuple[Copies, Copies]) -> None:
    result = _measured(engines, [0.5, 0.2, 0.3])
    assert result.foreign_load == 0.2
    assert "foreign_load" in result.flags


def test_on_a_machine_that_never_is_quiet_one_measurement_is_made_and_flagged(engines: tuple[Copies, Copies]) -> None:
    result = _measured(engines, [0.5], quiet=False)
    assert result.foreign_load == 0.5
    assert "foreign_load" in result.flags


def test_an_unknown_load_is_flagged_and_not_repeated(engines: tuple[Copies, Copies]) -> None:
    result = _measured(engines, [None])
    assert result.foreign_load is None
    assert "load_unknown" in result.flags


def test_an_interval_that_stays_wide_is_flagged(engines: tuple[Copies, Copies]) -> None:
    load = ScriptedLoad(shares=iter([0.0]))
    result = paired_latency(*engines, budget=replace(SHORT, ci_width=0.0), load=load)
    assert "wide_interval" in result.flags


def timing(ratio: float, **changes: Any) -> PairedLatency:
    fields: dict[str, Any] = {
        "pairs": 40,
        "reference_ms": 10.0,
        "median_ms": 10.0 * ratio,
        "p90": Percentile(ms=11.0 * ratio, bound_ms=None),
        "p95_ms": 12.0 * ratio,
        "p99": Percentile(ms=13.0 * ratio, bound_ms=None),
        "cold_ms": 15.0,
        "ratio": Interval(ratio, ratio * 0.99, ratio * 1.02),
    }
    return PairedLatency(**fields | changes)


def test_timings_of_several_processes_are_one_by_their_geometric_mean() -> None:
    found = combined([timing(0.4, energy_mj=3.0), timing(0.5, flags=("throttled",)), timing(0.625, energy_mj=5.0)])
    assert found.ratio == pytest.approx((0.5, 0.495, 0.51))
    assert (found.timings, found.pairs, found.median_ms, found.energy_mj) == (3, 120, 5.0, 4.0)
    assert found.flags == ("throttled",)
    assert found.is_disturbed


def test_of_several_timings_the_greatest_percentile_and_bound_count_and_a_bound_needs_all() -> None:
    found = combined(
        [
            timing(0.4, p90=Percentile(ms=4.4, bound_ms=6.0), p99=Percentile(ms=5.2, bound_ms=7.0)),
            timing(0.5, p90=Percentile(ms=5.5, bound_ms=5.8)),
        ]
    )
    assert (found.p90, found.p99) == (Percentile(ms=5.5, bound_ms=6.0), Percentile(ms=6.5, bound_ms=None))


def test_one_timing_stays_what_it_is() -> None:
    one = timing(0.4)
    again = combined([one])
    assert again.ratio == pytest.approx(one.ratio)
    assert replace(again, ratio=one.ratio) == one
