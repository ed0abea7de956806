from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution

from qpareto.search.samplers.encoding import BORDER, SWITCH, Encoding, Graph
from qpareto.search.samplers.proposals import descend, neighbours, sweep

N = 8
NAMES = tuple(f"{i}" for i in range(N))
EDGES = (*itertools.pairwise(NAMES), ("0", "4"), ("2", "7"))
SWITCHES: dict[str, BaseDistribution] = dict.fromkeys(NAMES, CategoricalDistribution([False, True]))
CHOICES: dict[str, BaseDistribution] = {"method": CategoricalDistribution(["x", "y", "z"])}


@pytest.fixture
def encoding() -> Encoding:
    return Encoding(SWITCHES | CHOICES, Graph(switches=NAMES, edges=EDGES, blocks=(NAMES[2:5],)))


@given(seed=st.integers(0, 1000))
def test_no_single_change_would_lower_the_energy_after_a_descent(seed: int) -> None:
    encoding = Encoding(SWITCHES | CHOICES, Graph(switches=NAMES, edges=EDGES))
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(5, len(encoding.groups)))
    starts = encoding.random_rows(5, rng)
    ends = descend(encoding, weights, starts)
    energy = np.einsum("nf,nf->n", encoding.features(ends), weights)
    assert (energy <= np.einsum("nf,nf->n", encoding.features(starts), weights) + 1e-9).all()
    settled = (descend(encoding, weights, ends) == ends).all(axis=1)
    for i in np.nonzero(settled)[0]:
        near = [
            np.concatenate([ends[i, :k], [value], ends[i, k + 1 :]])
            for k in range(N + 1)
            for value in range(2 if k < N else 3)
        ]
        assert (encoding.features(np.array(near)) @ weights[i] >= energy[i] - 1e-9).all()


def test_without_borders_a_sweep_gives_the_prefixes_of_the_ranking_by_loss_over_gain() -> None:
    encoding = Encoding(SWITCHES, Graph(switches=NAMES))
    rng = np.random.default_rng(0)
    loss, gain = rng.lognormal(size=(2, N))
    weights = np.zeros((1, 2, len(encoding.groups)))
    weights[0, 0, encoding.groups == SWITCH], weights[0, 1, encoding.groups == SWITCH] = loss, -gain
    rows = {tuple(row) for row in sweep(encoding, weights, rng).tolist()}
    order = np.argsort(loss / gain)
    prefixes = {tuple(np.isin(np.arange(N), order[:k]).astype(int).tolist()) for k in range(N + 1)}
    assert rows <= prefixes
    assert len(rows) > N / 2


def test_a_sweep_finds_nearly_the_least_energies_in_spite_of_borders(encoding: Encoding) -> None:
    rng, rows = np.random.default_rng(1), encoding.all_rows()
    weights = np.zeros((1, 2, len(encoding.groups)))
    weights[0, 0, encoding.groups == SWITCH] = rng.lognormal(size=N)
    weights[0, 1, encoding.groups == SWITCH] = -rng.lognormal(size=N)
    weights[0, 1, encoding.groups == BORDER] = rng.lognormal(size=len(EDGES)) * 0.2
    found, best = encoding.features(sweep(encoding, weights, rng)), encoding.features(rows)
    for ratio in (0.1, 0.5, 1.0, 2.0, 10.0):
        mixed = ratio * weights[0, 0] + weights[0, 1]
        assert (found @ mixed).min() <= (best @ mixed).min() + 0.05 * np.ptp(best @ mixed)


def test_neighbours_hold_every_single_change_every_edge_and_every_block(encoding: Encoding) -> None:
    base = np.array([[0, 1, 0, 1, 0, 0, 1, 1, 2]], dtype=np.int16)
    found = {tuple(row) for row in neighbours(encoding, base, np.random.default_rng(0)).tolist()}
    row = base[0].tolist()
    position = {name: i for i, name in enumerate(NAMES)}
    for turned in [(i,) for i in range(N)] + [(position[a], position[b]) for a, b in EDGES]:
        assert tuple(1 - v if i in turned else v for i, v in enumerate(row)) in found
    for value in (0, 1):
        assert tuple(value if 2 <= i < 5 else v for i, v in enumerate(row)) in found
    assert {(*row[:N], choice) for choice in range(3)} <= found
    assert all(encoding.row(encoding.params(one)) == one for one in found)


def test_crossing_two_bases_mixes_only_what_they_have() -> None:
    encoding = Encoding(CHOICES, Graph())
    bases = np.array([[0], [1]], dtype=np.int16)
    assert {tuple(row) for row in neighbours(encoding, bases, np.random.default_rng(0)).tolist()} <= {(0,), (1,), (2,)}
