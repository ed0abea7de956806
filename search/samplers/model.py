"""A Bayesian linear model of one objective, with its uncertainty.

    y = f(x) . w + noise,    w_i ~ N(m_i, v_i),    noise ~ N(0, s2)

The posterior of w is normal, in closed form (Bishop, 'Pattern Recognition and Machine Learning', 2006, 3.3):

    A = F'F / s2 + diag(1 / v),    cov = inv(A),    mean = m + cov F'(y - F m) / s2

Features come in groups (switches, borders, ...). The variance of each group and the noise are learned by maximizing
the evidence with MacKay's fixed point (Bishop, 3.5.2), held by inverse gamma priors worth `PSEUDO_COUNT` observations.

Some observations are known to be worse by a variance e_i. What the noise of the others is, they tell themselves: s2 is
learned from those with e_i = 0 first. Then rows and targets are multiplied by sqrt(s2 / (s2 + e_i)), which leaves all
with the same noise, and all is as above (weighted least squares).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PSEUDO_COUNT = 0.7
NOISE_VARIANCE = 0.01  # expected before any trial, in shares of the targets' variance
ITERATIONS = 6
JITTER = 1e-8  # of each variance, so that rounding does not keep a covariance from having a root


@dataclass(frozen=True)
class Prior:
    """What is believed of D weights before any observation, in units of the targets.

    Args:
        mean: (D,).
        variance: (D,) above 0: expected size, and the weights' shares in what their group learns.
        groups: (D,) weights of one number share a scale that is learned; -1 keeps the variance as it is.
    """

    mean: Floats
    variance: Floats
    groups: NDArray[np.intp]


@dataclass(frozen=True)
class Posterior:
    """What is believed of the weights after the observations.

    Args:
        mean, covariance: (D,) and (D, D).
        noise_variance: of one observation around the model.
    """

    mean: Floats
    covariance: Floats
    noise_variance: float

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation, each (n,), of the noiseless value at (n, D) features."""
        spread = (features @ self.covariance * features).sum(axis=1)
        return features @ self.mean, np.sqrt(np.maximum(spread, 0.0))

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """(count, D) weights drawn from the posterior."""
        steadied = self.covariance + np.diag(JITTER * np.diag(self.covariance))
        standard = rng.standard_normal((count, len(self.mean)))
        drawn: Floats = self.mean + standard @ np.linalg.cholesky(steadied).T
        return drawn

    def observing(self, features: Floats) -> Posterior:
        """The posterior had (n, D) more observations come out as predicted: same mean, less doubt."""
        if len(features) == 0:
            return self
        spread = features @ self.covariance
        gain = np.linalg.solve(spread @ features.T + self.noise_variance * np.eye(len(features)), spread)
        return Posterior(self.mean, self.covariance - spread.T @ gain, self.noise_variance)


def posterior(features: Floats, targets: Floats, prior: Prior, noise_variance: float) -> Posterior:
    """The exact posterior at given variances.

    Args:
        features: (n, D); n may be 0.
        targets: (n,), finite.
    """
    return _posterior(features.T @ features, features.T @ (targets - features @ prior.mean), prior, noise_variance)


def learned(features: Floats, targets: Floats, prior: Prior, extra: Floats | None = None) -> Posterior:
    """The posterior at the variances that explain the observations best.

    Costs O(n D^2 + D^3); memory beyond the features O(D^2), or O(n D) where some observations are worse.

    Args:
        features: (n, D); n may be 0, and then the prior's variances stand.
        targets: (n,), finite, of variance about 1.
        extra: (n,) e_i, at least 0; all 0 if None.
    """
    if extra is not None and extra.any():
        usual = learned(features[extra == 0], targets[extra == 0], prior).noise_variance
        share = np.sqrt(usual / (usual + extra))
        features, targets = features * share[:, None], targets * share
    gram, residual = features.T @ features, targets - features @ prior.mean
    moment, square = features.T @ residual, float(residual @ residual)
    found = _posterior(gram, moment, prior, NOISE_VARIANCE)
    if len(features) == 0:
        return found
    scales = np.ones(len(prior.variance))
    for _ in range(ITERATIONS):
        deviation, doubt = found.mean - prior.mean, np.diag(found.covariance)
        determined = np.clip(1.0 - doubt / (prior.variance * scales), 0.0, 1.0)  # how far the data decide each weight
        for group in np.unique(prior.groups[prior.groups >= 0]):
            members = prior.groups == group
            size = float((deviation[members] ** 2 / prior.variance[members]).sum())
            scales[members] = (size + PSEUDO_COUNT) / (float(determined[members].sum()) + PSEUDO_COUNT)
        misfit = max(square - 2 * float(deviation @ moment) + float(deviation @ gram @ deviation), 0.0)
        free = max(len(features) - float(determined.sum()), 0.0)
        noise = (misfit + PSEUDO_COUNT * NOISE_VARIANCE) / (free + PSEUDO_COUNT)
        found = _posterior(gram, moment, Prior(prior.mean, prior.variance * scales, prior.groups), noise)
    return found


def _posterior(gram: Floats, moment: Floats, prior: Prior, noise_variance: float) -> Posterior:
    """From sufficient statistics: gram (D, D) = F'F, moment (D,) = F'(y - F m)."""
    root = np.sqrt(prior.variance)  # scaled by it, the matrix is well conditioned however small a variance is
    scaled = gram * root[:, None] * root / noise_variance
    scaled[np.diag_indices_from(scaled)] += 1.0
    covariance = np.linalg.inv(scaled) * root[:, None] * root
    mean = prior.mean + covariance @ moment / noise_variance
    return Posterior(mean, (covariance + covariance.T) / 2, noise_variance)
