"""The interval of a timing holds a new one as often as it says; it is never narrower than the timing's own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gmean, median_abs_deviation, sem, t

from qpareto.objectives.interval import Interval
from qpareto.objectives.latency.spread import FEWEST_REPEATS, Spread

RATIOS = st.floats(0.1, 3.0)


@pytest.mark.parametrize("timings", [1, 3])
@pytest.mark.parametrize("deviation", [0.002, 0.03])
def test_95_of_100_new_timings_are_within_what_was_told(timings: int, deviation: float) -> None:
    rng, true, held, rounds = np.random.default_rng(0), 0.5, 0, 4000
    for _ in range(rounds):
        spread = Spread.of_ratios(np.exp(rng.normal(0, deviation, 6)).tolist())
        told = true * math.exp(rng.normal(0, deviation, timings).mean())
        _, low, high = spread.around(Interval(told, told, told), timings=timings)
        held += low <= true * math.exp(rng.normal(0, deviation)) <= high
    assert 0.94 < held / rounds < 0.96


def test_timings_own_intervals_alone_hold_far_fewer() -> None:
    rng = np.random.default_rng(0)
    told, new = np.exp(rng.normal(0, 0.02, (2, 1000)))
    assert np.mean(np.abs(np.log(new / told)) < 0.004) < 0.2  # as the seven finalists, of which none was


@given(ratio=RATIOS, below=st.floats(0, 0.2), above=st.floats(0, 0.2), deviation=st.floats(0, 0.1))
def test_the_interval_holds_the_timings_own(ratio: float, below: float, above: float, deviation: float) -> None:
    own = Interval(ratio, ratio * (1 - below), ratio * (1 + above))
    told, low, high = Spread(deviation=deviation, timings=6).around(own)
    assert told == ratio
    assert low <= own.low * (1 + 1e-12)
    assert high >= own.high * (1 - 1e-12)


@given(ratio=RATIOS, deviation=st.floats(0, 0.1), timings=st.integers(1, 9))
def test_more_timings_of_an_engine_and_a_better_known_spread_never_widen_it(
    ratio: float, deviation: float, timings: int
) -> None:
    own = Interval(ratio, ratio * 0.999, ratio * 1.001)
    _, low, high = Spread(deviation=deviation, timings=6).around(own, timings=timings)
    for narrower in (
        Spread(deviation=deviation, timings=6).around(own, timings=timings + 1),
        Spread(deviation=deviation, timings=7).around(own, timings=timings),
    ):
        assert low <= narrower.low * (1 + 1e-12)
        assert high >= narrower.high * (1 - 1e-12)


QUIET = Spread(deviation=0.004, timings=6)


def test_new_builds_lie_within_what_several_machines_found_more_surely_than_within_one_machines() -> None:
    """Builds of two kinds 1.5 % apart, six in a row of one kind and then of the other, as at batch 1 on an H200."""
    rng, rounds = np.random.default_rng(0), 2000
    held = np.zeros(2)
    for _ in range(rounds):
        machines = rng.choice([0.0, 0.015], (3, 1)) + rng.choice([0.0, 0.015], (3, 4), p=[0.9, 0.1])
        spreads = [Spread.of_ratios(np.exp(each + rng.normal(0, 0.0003, 4)).tolist()) for each in machines]
        told, new = rng.choice([0.0, 0.015], 2, p=[0.9, 0.1]) + rng.normal(0, 0.0003, 2)
        for i, spread in enumerate((spreads[0], Spread.pooled(spreads))):
            _, low, high = spread.around(Interval(*[math.exp(told)] * 3))
            held[i] += low <= math.exp(new) <= high
    assert held[1] > held[0]
    assert held[1] / rounds > 0.9


@given(st.lists(st.floats(0, 0.1), min_size=1, max_size=5))
def test_what_machines_found_is_pooled_by_variance_and_is_no_surer_than_the_least_sure(deviations: list[float]) -> None:
    spreads = [Spread(deviation=each, timings=4 + i) for i, each in enumerate(deviations)]
    pooled = Spread.pooled(spreads)
    assert pooled.deviation**2 == pytest.approx(np.mean(np.square(deviations)))
    assert pooled.timings == 4


def test_what_an_hour_does_is_seen_by_engines_that_were_timed_again_after_it() -> None:
    rng, held, rounds = np.random.default_rng(0), 0, 2000
    for _ in range(rounds):
        once, thrice, new = np.exp(rng.normal(0, [[0.012], [0.012 / math.sqrt(3)], [0.012]], (3, 8)))
        spread = QUIET.with_repeats([((a, 1), (b, 3)) for a, b in zip(once, thrice, strict=True)])
        _, low, high = spread.around(Interval(*[thrice[0]] * 3), timings=3)
        held += low <= new[0] <= high
    assert held / rounds > 0.93
    told, new = np.exp(rng.normal(0, [[0.012 / math.sqrt(3)], [0.012]], (2, 2000)))
    reach = math.log(QUIET.around(Interval(1.0, 1.0, 1.0), timings=3).high)
    assert np.mean(np.abs(np.log(new / told)) < reach) < 0.7, "without them"


@given(pairs=st.lists(st.tuples(RATIOS, RATIOS, st.integers(1, 5), st.integers(1, 5)), max_size=9))
def test_repeats_never_narrow_a_spread_and_few_show_nothing(pairs: list[tuple[float, float, int, int]]) -> None:
    spread = QUIET.with_repeats([((a, m), (b, n)) for a, b, m, n in pairs])
    assert spread.deviation >= QUIET.deviation
    assert spread.timings == QUIET.timings
    if len(pairs) < FEWEST_REPEATS:
        assert spread == QUIET


def test_repeats_show_the_normalized_mad_of_their_differences() -> None:
    logs = np.random.default_rng(0).normal(0, 0.03, 7)
    spread = QUIET.with_repeats([((1.0, 1), (math.exp(log), 1)) for log in logs])
    expected = median_abs_deviation(logs, center=lambda *_, **__: 0.0, scale="normal") / math.sqrt(2)
    assert spread.deviation == pytest.approx(expected)


def test_one_engine_that_was_rebuilt_into_a_slow_one_is_no_spread_of_all() -> None:
    repeats = [((0.5, 1), (0.5 * math.exp(0.004 * i), 1)) for i in range(-3, 4)]
    odd = [*repeats[:-1], ((0.5, 1), (4.5, 1))]
    assert QUIET.with_repeats(odd).deviation < 1.5 * QUIET.with_repeats(repeats).deviation


@pytest.mark.parametrize(("deviation", "timings"), [(0.01, 1), (-0.01, 6), (math.nan, 6)])
def test_what_is_no_spread_is_refused(deviation: float, timings: int) -> None:
    with pytest.raises(ValueError, match="a spread needs 2 timings"):
        Spread(deviation=deviation, timings=timings)


@pytest.mark.parametrize("deviations", [(0.01, 0.01), (0.002, 0.02)])
def test_two_machines_of_one_ratio_are_seldom_told_apart_and_two_ratios_by_no_more_than_they_are(
    deviations: tuple[float, float],
) -> None:
    rng, rounds, between = np.random.default_rng(0), 4000, 0.05
    apart, beyond = 0, 0
    for _ in range(rounds):
        one, other = (Spread.of_ratios(np.exp(rng.normal(0, each, 4)).tolist()) for each in deviations)
        assert other.ratio is not None
        apart += one.surely_apart(other) > 0
        beyond += one.surely_apart(replace(other, ratio=other.ratio * math.exp(between))) > between
    assert apart / rounds < 0.05
    assert beyond / rounds < 0.025


@given(ratios=st.lists(RATIOS, min_size=2, max_size=6), others=st.lists(RATIOS, min_size=2, max_size=6))
def test_it_is_the_nearer_end_of_the_interval_for_the_difference_of_two_means(
    ratios: list[float], others: list[float]
) -> None:
    one, other, logs = Spread.of_ratios(ratios), Spread.of_ratios(others), [np.log(ratios), np.log(others)]
    assert one.ratio == pytest.approx(gmean(ratios))
    means, error = [each.mean() for each in logs], math.hypot(*(sem(each) for each in logs))
    low, high = t(min(map(len, logs)) - 1, loc=means[0] - means[1], scale=error or 1e-300).interval(0.95)
    expected = 0 if low <= 0 <= high else min(abs(low), abs(high))
    assert one.surely_apart(other) == pytest.approx(expected, abs=1e-9) == other.surely_apart(one)


def test_where_only_the_deviation_is_known_nothing_is_told_apart() -> None:
    with pytest.raises(ValueError, match="does not tell its ratio"):
        QUIET.surely_apart(Spread.of_ratios([0.5, 0.6]))
