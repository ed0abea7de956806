from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.search.samplers.model import Prior, learned, posterior


def _prior(size: int, *, variance: float = 1.0) -> Prior:
    return Prior(np.zeros(size), np.full(size, variance), np.zeros(size, dtype=np.intp))


def _data(seed: int, n: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features, weights = rng.integers(0, 2, size=(n, size)).astype(float), rng.normal(size=size)
    return features, features @ weights + 0.1 * rng.normal(size=n), weights


@given(seed=st.integers(0, 1000), n=st.integers(1, 30), size=st.integers(1, 12))
def test_the_posterior_is_that_of_conditioning_the_joint_normal(seed: int, n: int, size: int) -> None:
    features, targets, _ = _data(seed, n, size)
    rng = np.random.default_rng(seed)
    prior = Prior(rng.normal(size=size), rng.uniform(0.01, 4.0, size), np.zeros(size, dtype=np.intp))
    cross = prior.variance[:, None] * features.T  # covariance of weights and targets: the other way round, n x n
    inner = np.linalg.inv(features @ cross + 0.3 * np.eye(n))
    found = posterior(features, targets, prior, 0.3)
    np.testing.assert_allclose(
        found.mean, prior.mean + cross @ inner @ (targets - features @ prior.mean), rtol=1e-7, atol=1e-9
    )
    np.testing.assert_allclose(found.covariance, np.diag(prior.variance) - cross @ inner @ cross.T, atol=1e-9)


def test_with_much_data_and_a_wide_prior_it_is_least_squares() -> None:
    features, targets, _ = _data(0, 200, 6)
    found = posterior(features, targets, _prior(6, variance=1e8), 1.0)
    np.testing.assert_allclose(found.mean, np.linalg.lstsq(features, targets, rcond=None)[0], atol=1e-6)


def test_without_data_the_prior_stands() -> None:
    prior = Prior(np.array([1.0, -2.0]), np.array([0.5, 2.0]), np.array([0, 1]))
    for found in (learned(np.empty((0, 2)), np.empty(0), prior), posterior(np.empty((0, 2)), np.empty(0), prior, 1.0)):
        np.testing.assert_allclose(found.mean, prior.mean)
        np.testing.assert_allclose(found.covariance, np.diag(prior.variance))


def test_the_noise_and_the_weights_are_found() -> None:
    features, targets, weights = _data(1, 400, 20)
    found = learned(features, targets, _prior(20, variance=0.1))
    assert found.noise_variance == pytest.approx(0.01, rel=0.2)
    np.testing.assert_allclose(found.mean, weights, atol=0.05)


def test_a_group_without_effect_is_shrunk_away() -> None:
    rng = np.random.default_rng(2)
    features = rng.integers(0, 2, size=(100, 40)).astype(float)
    targets = features[:, :20] @ rng.normal(size=20) + rng.normal(size=100)
    prior = Prior(np.zeros(40), np.full(40, 1.0), np.repeat([0, 1], 20))
    found = learned(features, targets, prior)
    alone = posterior(features, targets, prior, 1.0)
    assert (found.mean[20:] ** 2).sum() < 0.5 * (alone.mean[20:] ** 2).sum()


def test_a_fixed_group_keeps_its_variance() -> None:
    features, targets, _ = _data(3, 50, 4)
    prior = Prior(np.zeros(4), np.full(4, 1e-12), np.full(4, -1))
    np.testing.assert_allclose(learned(features, targets, prior).mean, 0.0, atol=1e-6)


def test_intervals_hold_what_they_promise() -> None:
    inside = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        weights = rng.normal(size=30) * 0.3
        features, fresh = (rng.integers(0, 2, size=(n, 30)).astype(float) for n in (40, 50))
        targets = features @ weights + 0.2 * rng.normal(size=40)
        mean, deviation = learned(features, targets, _prior(30, variance=0.1)).predict(fresh)
        inside.append((np.abs(fresh @ weights - mean) < 1.96 * deviation).mean())
    assert 0.9 < np.mean(inside) < 0.99


def test_observing_what_was_predicted_leaves_the_mean_and_lessens_the_doubt() -> None:
    features, targets, _ = _data(4, 20, 8)
    before = posterior(features, targets, _prior(8), 0.1)
    more = np.random.default_rng(5).integers(0, 2, size=(3, 8)).astype(float)
    after = before.observing(more)
    again = posterior(np.vstack([features, more]), np.append(targets, more @ before.mean), _prior(8), 0.1)
    np.testing.assert_allclose(after.mean, again.mean, atol=1e-9)
    np.testing.assert_allclose(after.covariance, again.covariance, atol=1e-9)
    assert (after.predict(more)[1] < before.predict(more)[1]).all()


def test_draws_have_the_posterior_s_mean_and_covariance() -> None:
    features, targets, _ = _data(6, 5, 4)
    found = posterior(features, targets, _prior(4), 0.1)
    drawn = found.draw(20000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(axis=0), found.mean, atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), found.covariance, atol=0.03)


@pytest.mark.parametrize("features", [np.zeros((5, 3)), np.ones((5, 3)), np.eye(3)[[0, 0, 0, 1, 1]]])
@pytest.mark.parametrize("targets", [np.zeros(5), np.array([1.0, 1.0, 1.0, -1.0, -2.0])])
def test_features_that_tell_nothing_apart_do_no_harm(features: np.ndarray, targets: np.ndarray) -> None:
    found = learned(features, targets, _prior(3))
    mean, deviation = found.predict(np.eye(3))
    assert np.isfinite([mean, deviation]).all()


def test_an_observation_that_is_known_to_be_worse_counts_as_its_variance_says() -> None:
    features, targets, _ = _data(7, 60, 4)
    extra = np.where(np.arange(60) < 30, 0.0, np.random.default_rng(7).uniform(0.1, 2.0, 60))
    found = learned(features, targets, _prior(4), extra)
    known = _prior(4).variance
    noise = np.diag(found.noise_variance + extra)  # the joint normal's, observation by observation
    inner = np.linalg.inv(features @ (known[:, None] * features.T) + noise)
    expected = (known[:, None] * features.T) @ inner @ targets
    np.testing.assert_allclose(found.mean, expected, atol=0.03)


def test_what_is_hardly_known_teaches_hardly_anything_and_what_is_known_exactly_as_much_as_ever() -> None:
    features, targets, _ = _data(8, 40, 6)
    wrong = np.append(targets[:30], targets[30:] + 100.0)
    doubtful = learned(features, wrong, _prior(6), np.where(np.arange(40) < 30, 0.0, 1e12))
    np.testing.assert_allclose(doubtful.mean, learned(features[:30], targets[:30], _prior(6)).mean, atol=0.02)
    exact = learned(features, targets, _prior(6), np.zeros(40))
    np.testing.assert_array_equal(exact.mean, learned(features, targets, _prior(6)).mean)


def test_where_every_observation_is_worse_the_noise_expected_beforehand_is_theirs_too() -> None:
    features, targets, weights = _data(9, 200, 5)
    found = learned(features, targets, _prior(5), np.full(200, 0.01))
    np.testing.assert_allclose(found.mean, weights, atol=0.1)
