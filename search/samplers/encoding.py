"""A study's parameters as arrays: switches on a graph, and other choices.

A row holds one parameter set: n switches in the graph's order (1 is on), then the index of the value of each of the
other choices. Rows become features, in which both objectives are taken to be linear:

    1 | share of switches on | share of borders | n switches | E borders | C indicators | C indicators x share on

A border is 1 where the two ends of an edge differ. The C indicators stand for all values of all other choices; their
product with the share of switches on is there since a calibration choice has no effect where nothing is INT8. The two
shares carry what all switches, and all borders, have in common.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Rows = NDArray[np.int16]
Floats = NDArray[np.float64]

MAX_VALUES = 64  # a parameter with more values is no choice: it is left to independent sampling
CONSTANT, ON_SHARE, BORDER_SHARE, SWITCH, BORDER, CHOICE, INTERACTION = range(7)  # the groups of features


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What is known of a study's switches before any trial.

    A switch is a parameter with two values, of which the second means on: `[False, True]`, 0..1, `[float, int8]`.

    Args:
        switches: their names in the network's order; every parameter with two values if None.
        edges: pairs of switches whose layers hand tensors to each other.
        blocks: groups of switches that may be turned together.
        effects: for each objective, in its own unit and direction, what changes when one switch is turned on. A switch
            that is not named changes nothing. Right up to a common factor is enough.
        border_effects: likewise, what changes when the two ends of an edge differ.
    """

    switches: tuple[str, ...] | None = None
    edges: tuple[tuple[str, str], ...] = ()
    blocks: tuple[tuple[str, ...], ...] = ()
    effects: tuple[Mapping[str, float], ...] = ()
    border_effects: tuple[Mapping[tuple[str, str], float], ...] = ()


class Encoding:
    """The rows and features of one search space.

    Args:
        space: parameters and their distributions; those with more than `MAX_VALUES` values are left out.
        graph: switches, edges and blocks that name parameters outside the space are left out.
    """

    def __init__(self, space: Mapping[str, BaseDistribution], graph: Graph) -> None:
        values = {name: found for name, one in space.items() if (found := values_of_distribution(one)) is not None}
        two = [
            name for name in (values if graph.switches is None else graph.switches) if len(values.get(name, ())) == 2
        ]
        self.switches = tuple(dict.fromkeys(two))
        self.choices = tuple(name for name in values if name not in set(self.switches))
        self.names = self.switches + self.choices
        self._values = tuple(values[name] for name in self.names)
        position = {name: i for i, name in enumerate(self.switches)}
        known = [pair for pair in dict.fromkeys(graph.edges) if pair[0] in position and pair[1] in position]
        self._graph, self._edge_names = graph, tuple(known)
        self.edges = np.array([(position[a], position[b]) for a, b in known], dtype=np.intp).reshape(-1, 2)
        blocks = [[name in set(block) for name in self.switches] for block in graph.blocks]
        self.blocks = np.array(blocks, dtype=bool).reshape(len(blocks), len(self.switches))  # one row a block
        self.sizes = tuple(len(found) for found in self._values[len(self.switches) :])  # values of each other choice

    @cached_property
    def count(self) -> int:
        """How many parameter sets there are."""
        return int(np.prod([len(found) for found in self._values], dtype=object)) if self.names else 1

    def row(self, params: Mapping[str, Any]) -> tuple[int, ...] | None:
        """The row of a parameter set; None if it lacks a parameter or has a value outside the space."""
        try:
            return tuple([index[params[name]] for index, name in zip(self._indices, self.names, strict=True)])
        except KeyError:
            return None

    def params(self, row: Sequence[int] | Rows) -> dict[str, Any]:
        """The parameters that a row stands for; inverse of `row`."""
        return {name: found[int(i)] for name, found, i in zip(self.names, self._values, row, strict=True)}

    @cached_property
    def groups(self) -> NDArray[np.intp]:
        """(n_features,) the group that each feature belongs to."""
        n_choices = sum(self.sizes)
        counts = [1, 1, 1, len(self.switches), len(self.edges), n_choices, n_choices]
        return np.repeat(np.arange(len(counts)), counts)

    def features(self, rows: Rows) -> Floats:
        """(n_rows, n_features), each in 0..1; see the head of this file."""
        n = len(self.switches)
        on = rows[:, :n].astype(np.float64)
        borders = (rows[:, self.edges[:, 0]] != rows[:, self.edges[:, 1]]).astype(np.float64)
        share = on.sum(axis=1, keepdims=True) / max(n, 1)
        border_share = borders.sum(axis=1, keepdims=True) / max(len(self.edges), 1)
        chosen = [(rows[:, n + k, None] == np.arange(size)).astype(np.float64) for k, size in enumerate(self.sizes)]
        indicators = np.hstack([np.empty((len(rows), 0)), *chosen])
        return np.hstack([np.ones_like(share), share, border_share, on, borders, indicators, indicators * share])

    def effects(self, objective: int) -> Floats:
        """(n_features,) the expected weights of an objective, in its own unit and direction; 0 where none is known."""
        expected = np.zeros(len(self.groups))
        if objective < len(self._graph.effects):
            of_switch = self._graph.effects[objective]
            expected[self.groups == SWITCH] = [of_switch.get(name, 0.0) for name in self.switches]
        if objective < len(self._graph.border_effects):
            of_border = self._graph.border_effects[objective]
            expected[self.groups == BORDER] = [of_border.get(pair, 0.0) for pair in self._edge_names]
        return expected

    def random_rows(self, count: int, rng: np.random.Generator) -> Rows:
        """(count, n_parameters) uniform rows."""
        sizes = [len(found) for found in self._values]
        return rng.integers(0, sizes, size=(count, len(sizes))).astype(np.int16)

    def extreme_rows(self, rng: np.random.Generator) -> Rows:
        """Two rows: all switches on, and all off; other choices at random."""
        rows = self.random_rows(2, rng)
        rows[:, : len(self.switches)] = [[1], [0]]
        return rows

    def all_rows(self) -> Rows:
        """(count, n_parameters) every row of the space."""
        sizes = [range(len(found)) for found in self._values]
        return np.array(list(itertools.product(*sizes)), dtype=np.int16).reshape(-1, len(sizes))

    @cached_property
    def neighbours(self) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]:
        """For each switch its edges, and the switches at their other ends."""
        ends = [np.nonzero((self.edges == i).any(axis=1))[0] for i in range(len(self.switches))]
        return tuple((found, self.edges[found].sum(axis=1) - i) for i, found in enumerate(ends))

    @cached_property
    def _indices(self) -> tuple[dict[Hashable, int], ...]:
        return tuple({value: i for i, value in enumerate(found)} for found in self._values)


def values_of_distribution(distribution: BaseDistribution) -> tuple[Any, ...] | None:
    """The values that a parameter can take, in order; None if there are more than `MAX_VALUES`."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return tuple(distribution.choices) if len(distribution.choices) <= MAX_VALUES else None
    if isinstance(distribution, IntDistribution):
        count = (distribution.high - distribution.low) // distribution.step + 1
        return tuple(distribution.low + i * distribution.step for i in range(count)) if count <= MAX_VALUES else None
    if isinstance(distribution, FloatDistribution) and distribution.single():
        return (distribution.low,)
    return None
