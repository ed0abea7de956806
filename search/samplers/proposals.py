"""Where to look: rows near the front, and rows that the model itself would choose.

Weighed by one number per objective, the linear models of all objectives become one energy over the switches x and the
other choices c:

    E = sum_i h_i x_i + sum_(i,j) b_ij [x_i != x_j] + sum_k (u_k[c_k] + s_k[c_k] * share of switches on)

Without borders its minimizer turns on what has h_i < 0: for loss + t * latency a prefix of the ranking by loss over
gain, and a sweep over t gives the prefixes one after the other. Borders and choices are then settled by coordinate
descent. The same is done for weights drawn from the posterior (Thompson's sampling), which is where doubt comes in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .encoding import BORDER, BORDER_SHARE, CHOICE, INTERACTION, ON_SHARE, SWITCH, Encoding, Rows

Floats = NDArray[np.float64]

WEIGHINGS = 24  # scalarizations of the objectives in a sweep
RANGE = 100.0  # the largest ratio between two objectives' weights
DESCENTS = 4  # passes of coordinate descent
MEAN_RUN = 5.0
RANDOM_MOVES = 64  # pairs, and runs, tried from one base


def sweep(encoding: Encoding, weights: Floats, rng: np.random.Generator) -> Rows:
    """Rows that minimize each drawn model under each weighing of its objectives.

    Args:
        weights: (n_draws, m, n_features) of objectives of like size, smaller is better.

    Returns:
        (n_draws * WEIGHINGS * 2, n_parameters): from the prefix, and from all switches on.
    """
    mixed = np.einsum("lm,smf->slf", _weighings(weights.shape[1], rng), weights).reshape(-1, weights.shape[2])
    starts = encoding.random_rows(2 * len(mixed), rng)
    starts[: len(mixed), : len(encoding.switches)] = _unary(encoding, mixed) < 0
    starts[len(mixed) :, : len(encoding.switches)] = 1
    return descend(encoding, np.vstack([mixed, mixed]), starts)


def descend(encoding: Encoding, weights: Floats, rows: Rows) -> Rows:
    """Coordinate descent of each row under its own weights: (n, n_features), (n, n_parameters) -> new rows.

    No parameter's change alone would lower the energy of a row more than it did, as `DESCENTS` passes allow.
    """
    found, n = rows.copy(), len(encoding.switches)
    unary, border = _unary(encoding, weights), _border(encoding, weights)
    choice, slope = (weights[:, encoding.groups == group] for group in (CHOICE, INTERACTION))
    starts = np.cumsum([0, *encoding.sizes[:-1]]) if encoding.sizes else np.empty(0, dtype=np.intp)
    each = np.arange(len(rows))
    for turn in range(DESCENTS):
        share = found[:, :n].mean(axis=1) if n else np.zeros(len(rows))
        for k, (start, size) in enumerate(zip(starts, encoding.sizes, strict=True)):
            costs = choice[:, start : start + size] + slope[:, start : start + size] * share[:, None]
            found[:, n + k] = costs.argmin(axis=1)
        common = slope[each[:, None], starts + found[:, n:]].sum(axis=1) / max(n, 1)
        for i in range(n) if turn % 2 == 0 else reversed(range(n)):
            edges, others = encoding.neighbours[i]
            field = unary[:, i] + common + (border[:, edges] * (1 - 2 * found[:, others])).sum(axis=1)
            found[:, i] = field < 0
    return found


def neighbours(encoding: Encoding, bases: Rows, rng: np.random.Generator) -> Rows:
    """Rows one move away from the bases; repeats are left in.

    Moves: one switch turned; both ends of an edge; two switches at random; a run of the order, or a block, set to on
    or off; another value of one choice; two bases crossed, in one point and at random.
    """
    if len(bases) == 0:
        return bases
    return np.vstack([*(_moved(encoding, base, rng) for base in bases), _crossed(bases, rng)])


def _moved(encoding: Encoding, base: Rows, rng: np.random.Generator) -> Rows:
    """(n_moves, n_parameters) everything but crossings, from one base."""
    n = len(encoding.switches)
    turned = base[:n] ^ np.vstack([_marks(n, np.arange(n)[:, None]), _marks(n, encoding.edges), _pairs(n, rng)])
    together = np.vstack([_runs(n, rng), encoding.blocks])
    switched = np.vstack([turned, base[:n] | together, base[:n] & ~together]).astype(np.int16)
    others = np.repeat(base[None], sum(encoding.sizes), axis=0)
    columns = np.repeat(n + np.arange(len(encoding.sizes)), encoding.sizes)
    others[np.arange(len(others)), columns] = [value for size in encoding.sizes for value in range(size)]
    return np.vstack([np.hstack([switched, np.repeat(base[None, n:], len(switched), axis=0)]), others])


def _marks(n: int, members: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(k, n) what each of the k rows of members names."""
    marks = np.zeros((len(members), n), dtype=bool)
    marks[np.arange(len(members))[:, None], members] = True
    return marks


def _pairs(n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(`RANDOM_MOVES` or n, n) random pairs."""
    return _marks(n, rng.integers(0, max(n, 1), size=(min(n, RANDOM_MOVES), 2)))


def _runs(n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(`RANDOM_MOVES` or n, n) random runs of neighbours in the order, of `MEAN_RUN` switches in the mean."""
    first, order = rng.integers(0, max(n, 1), size=(min(n, RANDOM_MOVES), 1)), np.arange(n)
    marks: NDArray[np.bool_] = (order >= first) & (order < first + rng.geometric(1 / MEAN_RUN, size=first.shape))
    return marks


def _crossed(bases: Rows, rng: np.random.Generator) -> Rows:
    count, width = 8 * len(bases), bases.shape[1]
    one, other = bases[rng.integers(0, len(bases), count)], bases[rng.integers(0, len(bases), count)]
    cut = np.arange(width) < rng.integers(0, width + 1, size=(count, 1))
    coin = rng.random((count, width)) < 0.5
    return np.vstack([np.where(cut, one, other), np.where(coin, one, other)])


def _weighings(objectives: int, rng: np.random.Generator) -> Floats:
    """(WEIGHINGS, objectives) positive weights: log-spaced ratios for two objectives, random ones for more."""
    if objectives == 2:
        ratios = np.geomspace(1 / RANGE, RANGE, WEIGHINGS)
        return np.column_stack([ratios, np.ones(WEIGHINGS)])
    return rng.lognormal(0.0, np.log(RANGE) / 2, size=(WEIGHINGS, objectives))


def _unary(encoding: Encoding, weights: Floats) -> Floats:
    """(n, n_switches) h: what turning a switch on costs, borders and choices apart."""
    groups = encoding.groups
    unary: Floats = weights[:, groups == SWITCH] + weights[:, groups == ON_SHARE] / max(len(encoding.switches), 1)
    return unary


def _border(encoding: Encoding, weights: Floats) -> Floats:
    """(n, n_edges) b: what it costs that the ends of an edge differ."""
    groups = encoding.groups
    border: Floats = weights[:, groups == BORDER] + weights[:, groups == BORDER_SHARE] / max(len(encoding.edges), 1)
    return border
