from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.search.front import hypervolume
from qpareto.search.samplers.improvement import expected_improvement, expected_shortfall, probability_below


def _brute(mean: np.ndarray, deviation: np.ndarray, points: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Mean gain in hypervolume over drawn outcomes, and its standard error."""
    rng = np.random.default_rng(0)
    before = hypervolume(points, reference)
    drawn = mean + deviation * rng.standard_normal((600, len(mean)))
    gains = np.array([hypervolume(np.vstack([points, one]), reference) - before for one in drawn])
    return float(gains.mean()), float(gains.std() / np.sqrt(len(gains)))


@pytest.mark.parametrize(("objectives", "seed"), [(1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1)])
def test_it_is_the_mean_gain_over_drawn_outcomes(objectives: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, reference = rng.random((6, objectives)), np.ones(objectives)
    mean, deviation = rng.random((4, objectives)), rng.uniform(0.05, 0.4, (4, objectives))
    found = expected_improvement(mean, deviation, points, reference, rng=np.random.default_rng(0))
    for i in range(4):
        gain, error = _brute(mean[i], deviation[i], points, reference)
        tolerance = 4 * error + 1e-9 if objectives < 3 else 0.25 * gain + 4 * error + 0.003
        assert found[i] == pytest.approx(gain, abs=tolerance)


@given(seed=st.integers(0, 10_000), n_points=st.integers(0, 8))
def test_without_doubt_it_is_the_gain_itself(seed: int, n_points: int) -> None:
    rng = np.random.default_rng(seed)
    points, mean, reference = rng.random((n_points, 2)) * 1.2, rng.random((3, 2)) * 1.2, np.ones(2)
    found = expected_improvement(mean, np.zeros((3, 2)), points, reference, rng=rng)
    before = hypervolume(points, reference)
    gains = [hypervolume(np.vstack([points, one]), reference) - before for one in mean]
    np.testing.assert_allclose(found, gains, atol=1e-9)


@given(seed=st.integers(0, 10_000))
def test_dominated_and_repeated_points_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, mean, deviation = rng.random((5, 2)), rng.random((3, 2)), rng.random((3, 2)) * 0.3
    more = np.vstack([points, points[:2], points + rng.random((5, 2)), [[2.0, 0.1]]])
    reference = np.ones(2)
    np.testing.assert_allclose(
        expected_improvement(mean, deviation, more, reference, rng=rng),
        expected_improvement(mean, deviation, points, reference, rng=rng),
        atol=1e-12,
    )


def test_three_objectives_rank_candidates_as_they_should() -> None:
    mean = np.array([[0.1, 0.1, 0.1], [0.4, 0.4, 0.4], [0.9, 0.9, 0.9]])
    points, reference = np.array([[0.5, 0.5, 0.5]]), np.ones(3)
    found = expected_improvement(mean, np.full((3, 3), 0.05), points, reference, rng=np.random.default_rng(0))
    assert found[0] > found[1] > found[2] >= 0


def test_the_normal_distribution_function_at_known_places() -> None:
    found = probability_below(np.array([-40.0, -1.959964, 0.0, 1.959964, 40.0]))
    np.testing.assert_allclose(found, [0.0, 0.025, 0.5, 0.975, 1.0], atol=1e-7)


def test_shortfall_far_from_the_threshold() -> None:
    found = expected_shortfall(np.array([[0.0]]), np.array([[100.0], [-100.0]]), np.ones((2, 1)))
    np.testing.assert_allclose(found[:, 0], [0.0, 100.0])
