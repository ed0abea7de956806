"""The bounds are those of MLPerf's LoadGen, of the binomial formula and, on made-up runs, of what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from qpareto.objectives.latency.percentiles import CONFIDENCE, Percentile, greatest, slow_runs_allowed

RUNS = hnp.arrays(np.float64, st.integers(1, 1000), elements=st.floats(0.01, 1e4))
SHARES = st.sampled_from([0.5, 0.9, 0.97, 0.99])


def chance_of_so_few(slow: int, runs: int, share: float) -> float:
    """The sum as it stands in the docstring."""
    return sum(math.comb(runs, x) * share ** (runs - x) * (1 - share) ** x for x in range(slow + 1))


@pytest.mark.parametrize(("share", "fewest"), [(0.90, 64), (0.99, 662)])
def test_as_many_runs_are_asked_for_as_loadgen_does(share: float, fewest: int) -> None:
    assert slow_runs_allowed(fewest - 1, share) == 0
    assert slow_runs_allowed(fewest, share) == 1


@pytest.mark.parametrize(("runs", "discarded"), [(64, 0), (100, 2), (201, 9)])
def test_as_many_longer_runs_are_discarded_as_loadgens_logs_tell(runs: int, discarded: int) -> None:
    runs_ms = np.random.default_rng(0).random(runs)
    bound_ms = Percentile.of_runs(runs_ms, 0.90).bound_ms
    assert bound_ms is not None
    assert np.count_nonzero(runs_ms > bound_ms) == discarded


@given(st.integers(0, 300), SHARES)
def test_as_many_are_allowed_as_the_binomial_formula_allows_at_most(runs: int, share: float) -> None:
    allowed = [slow for slow in range(1, runs + 1) if chance_of_so_few(slow, runs, share) <= 1 - CONFIDENCE]
    assert slow_runs_allowed(runs, share) == max(allowed, default=0)


@given(RUNS, SHARES)
def test_a_bound_is_a_run_that_is_no_faster_than_the_percentile_and_no_more_are_slower_than_allowed(
    runs_ms: NDArray[np.float64], share: float
) -> None:
    found = Percentile.of_runs(runs_ms, share)
    assert found.ms is not None
    assert found.ms == np.percentile(runs_ms, 100 * share)
    if found.bound_ms is None:
        assert slow_runs_allowed(len(runs_ms), share) == 0
    else:
        assert found.bound_ms >= found.ms
        assert found.bound_ms in runs_ms
        assert np.count_nonzero(runs_ms > found.bound_ms) < slow_runs_allowed(len(runs_ms), share)


@pytest.mark.parametrize("heavy_tailed", [False, True])
@pytest.mark.parametrize(("share", "runs"), [(0.90, 64), (0.90, 400), (0.99, 800)])
def test_99_of_100_bounds_of_independent_runs_hold_whatever_their_distribution(
    share: float, runs: int, heavy_tailed: bool
) -> None:
    random = np.random.default_rng(runs)
    made_up = random.pareto(1.2, (3000, runs)) if heavy_tailed else random.lognormal(sigma=0.1, size=(3000, runs))
    truth = (1 - share) ** (-1 / 1.2) - 1 if heavy_tailed else math.exp(0.1 * {0.90: 1.28155, 0.99: 2.32635}[share])
    bounds = [Percentile.of_runs(runs_ms, share).bound_ms for runs_ms in made_up]
    held = np.mean([bound is not None and bound >= truth for bound in bounds])
    assert 0.985 <= held <= 1.0
    assert np.mean(np.percentile(made_up, 100 * share, axis=1) >= truth) < 0.7, "not by being huge"


def test_a_bound_over_several_timings_is_the_greatest_and_needs_one_of_each() -> None:
    three = [Percentile(ms=ms, bound_ms=bound_ms) for ms, bound_ms in ((2.0, 3.0), (4.0, 5.0), (3.0, 4.0))]
    assert greatest(three) == Percentile(ms=4.0, bound_ms=5.0)
    assert greatest([*three, Percentile(ms=1.0, bound_ms=None)]) == Percentile(ms=4.0, bound_ms=None)
