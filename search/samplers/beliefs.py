"""What is believed of all objectives over a search space: one linear model each, in the objectives' own units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .encoding import BORDER, BORDER_SHARE, CHOICE, CONSTANT, INTERACTION, ON_SHARE, SWITCH, Encoding, Rows
from .model import Posterior, Prior, learned

Floats = NDArray[np.float64]

EFFECT_ERROR = 0.5  # standard deviation of a weight around its known effect, as a share of the effect
EFFECT_FLOOR = 0.3  # as a share of the mean known effect: a layer that is thought harmless may not be
FEW = 3  # with fewer observations their spread tells nothing
UNIT_RANGE = 4.0  # effects that explain the spread of the observations within this factor are taken at their word


@dataclass(frozen=True)
class Beliefs:
    """Independent posteriors of m objectives, each smaller is better.

    Args:
        origin, scale: (m,) an objective is origin + scale * (its model's value).
        posteriors: one an objective, over the encoding's features.
    """

    encoding: Encoding
    origin: Floats
    scale: Floats
    posteriors: tuple[Posterior, ...]

    def predict(self, rows: Rows) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the noiseless objectives, each (n_rows, m)."""
        features = self.encoding.features(rows)
        found = [posterior.predict(features) for posterior in self.posteriors]
        means, deviations = (np.stack(parts, axis=1) for parts in zip(*found, strict=True))
        return self.origin + self.scale * means, self.scale * deviations

    def assuming(self, rows: Rows) -> Beliefs:
        """Had these rows come out as predicted: for what runs, so that nobody else learns the same."""
        features = self.encoding.features(rows)
        return replace(self, posteriors=tuple(posterior.observing(features) for posterior in self.posteriors))

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """(count, m, n_features) weights, scaled to a common size: the expected ones first, the others drawn."""
        drawn = [np.vstack([p.mean[None], p.draw(count - 1, rng)]) for p in self.posteriors]
        return np.stack(drawn, axis=1)


def beliefs_from_trials(
    encoding: Encoding, rows: Rows, values: Floats, signs: Floats, *, doubts: Floats | None = None
) -> Beliefs:
    """Learn from what was measured.

    Args:
        rows: (n, n_parameters); n may be 0.
        values: (n, m) smaller is better; where one is not finite, nothing is learned of that objective.
        signs: (m,) -1 where the objective was turned, so that its known effects are turned too.
        doubts: (n, m) standard deviations of the values beyond the usual noise of a measurement; 0 if None.
    """
    features, doubts = encoding.features(rows), np.zeros_like(values) if doubts is None else doubts
    found = [
        _belief(encoding, features[seen], values[seen, j], doubts[seen, j], effects=sign * encoding.effects(j))
        for j, (sign, seen) in enumerate(zip(signs, np.isfinite(values).T, strict=True))
    ]
    origin, scale, posteriors = zip(*found, strict=True)
    return Beliefs(encoding, np.array(origin), np.array(scale), posteriors)


def _belief(
    encoding: Encoding, features: Floats, values: Floats, doubts: Floats, *, effects: Floats
) -> tuple[float, float, Posterior]:
    """Origin, scale and posterior of one objective."""
    origin, scale = float(values.mean()) if len(values) else 0.0, _scale(values, effects)
    targets = (values - origin) / scale
    return origin, scale, _learned(encoding, features, targets, doubts / scale, effects=effects / scale)


def _scale(values: Floats, effects: Floats) -> float:
    """The size of an objective's changes: what was seen, or before that what known effects make of random masks."""
    seen = float(values.std()) if len(values) else 0.0
    expected = float(np.linalg.norm(effects)) / 2
    found = seen if len(values) >= FEW and seen > 0 else max(seen, expected)
    return found if found > 0 else 1.0


def _learned(encoding: Encoding, features: Floats, targets: Floats, doubts: Floats, *, effects: Floats) -> Posterior:
    """The posterior of one objective over the encoding's features.

    Known effects are the weights' prior means up to a common factor: one more feature, the sum of the effects of what
    is on, whose weight is the factor less 1. It is folded into the others' weights when it is learned.
    """
    effects = effects * _unit_factor(features @ effects, targets, effects)
    prior = Prior(
        mean=np.append(effects, 0.0),
        variance=np.append(_variances(encoding, effects), 1.0),
        groups=np.append(np.where(encoding.groups == CONSTANT, -1, encoding.groups), -1),
    )
    found = learned(np.column_stack([features, features @ effects]), targets, prior, doubts**2)
    fold = np.vstack([np.eye(len(effects)), effects])
    return Posterior(found.mean @ fold, fold.T @ found.covariance @ fold, found.noise_variance)


def _unit_factor(expected: Floats, targets: Floats, effects: Floats) -> float:
    """What to multiply effects by that were told in another unit; 1 if they seem to be in the objective's own."""
    if len(targets) < FEW or expected.std() <= 0.05 * np.abs(effects).sum() or targets.std() == 0:
        return 1.0
    ratio = float(targets.std() / expected.std())
    return 1.0 if 1 / UNIT_RANGE <= ratio <= UNIT_RANGE else ratio


def _variances(encoding: Encoding, effects: Floats) -> Floats:
    """(n_features,) prior variances for an objective of variance 1; more than one half of it by switches alone."""
    groups = encoding.groups
    n, n_edges = max(len(encoding.switches), 1), max(len(encoding.edges), 1)
    usual = {
        CONSTANT: 10.0,
        ON_SHARE: 4.0,
        BORDER_SHARE: 4.0,
        SWITCH: 2.0 / n,
        BORDER: 0.5 / n_edges,
        CHOICE: 0.1,
        INTERACTION: 0.5,
    }
    variances = np.array([usual[group] for group in groups.tolist()])
    for group, share in ((SWITCH, ON_SHARE), (BORDER, BORDER_SHARE)):
        members = groups == group
        size = np.abs(effects[members])
        if size.any():
            variances[members] = (EFFECT_ERROR * (size + EFFECT_FLOOR * size.mean())) ** 2
            variances[groups == share] = (EFFECT_ERROR * size.sum()) ** 2 / 4
    return variances
