"""The interval covers what it says: on independent values exactly, on dependent ones nearly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qpareto.objectives.latency.interval import median_interval

SERIES = hnp.arrays(np.float64, st.integers(10, 200), elements=st.floats(-1e6, 1e6))


@given(SERIES)
def test_the_median_lies_in_its_interval_and_the_interval_in_the_data(values: np.ndarray) -> None:
    median, low, high = median_interval(values)
    assert values.min() <= low <= median <= high <= values.max()
    assert median == np.median(values)


@given(hnp.arrays(np.int32, st.integers(10, 200)), st.integers(-1000, 1000), st.sampled_from([0.5, 1.0, 64.0]))
def test_the_interval_moves_and_grows_with_the_data(values: np.ndarray, shift: int, factor: float) -> None:
    expected = [end * factor + shift for end in median_interval(values.astype(np.float64))]
    assert list(median_interval(values * factor + shift)) == expected


def test_equal_values_have_an_interval_without_width() -> None:
    assert median_interval(np.full(50, 3.0)) == (3.0, 3.0, 3.0)


def test_an_outlier_moves_the_interval_no_further_than_to_the_next_value() -> None:
    values = np.random.default_rng(0).standard_normal(200)
    spoiled = values.copy()
    spoiled[7] = 1e12
    _, low, high = median_interval(spoiled)
    ranked = np.sort(values)
    near = [np.searchsorted(ranked, end) for end in median_interval(values)[1:]]
    assert abs(np.searchsorted(ranked, low) - near[0]) <= 1
    assert abs(np.searchsorted(ranked, high) - near[1]) <= 1


def test_too_few_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 10 values, got 9"):
        median_interval(np.zeros(9))


@pytest.mark.parametrize("n", [20, 101, 500])
def test_at_least_95_of_100_intervals_of_independent_values_cover_the_median(n: int) -> None:
    random = np.random.default_rng(n)
    intervals = [median_interval(random.standard_cauchy(n))[1:] for _ in range(1000)]
    covered = np.mean([low <= 0 <= high for low, high in intervals])
    assert 0.95 <= covered <= 0.995


def test_dependent_values_have_a_wider_interval_and_the_binomial_one_would_cover_too_little() -> None:
    n, binomial_reach = 400, 1.96 * np.sqrt(400) / 2
    covered, covered_by_binomial = [], []
    for seed in range(300):
        noise = np.random.default_rng(seed).standard_normal(n)
        values = noise.copy()
        for i in range(1, n):
            values[i] = 0.8 * values[i - 1] + 0.6 * noise[i]
        _, low, high = median_interval(values)
        ranked = np.sort(values)
        covered.append(low <= 0 <= high)
        covered_by_binomial.append(
            ranked[int(n / 2 - binomial_reach)] <= 0 <= ranked[int(np.ceil(n / 2 + binomial_reach)) - 1]
        )
    assert np.mean(covered) >= 0.9
    assert np.mean(covered_by_binomial) < 0.75
