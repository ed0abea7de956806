from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from qpareto.search.samplers.encoding import BORDER, CHOICE, INTERACTION, SWITCH, Encoding, Graph

SPACE: dict[str, BaseDistribution] = {
    "method": CategoricalDistribution(["max", "entropy", "both"]),
    "b": CategoricalDistribution(["float", "int8"]),
    "a": IntDistribution(0, 1),
    "c": CategoricalDistribution([False, True]),
    "step": IntDistribution(2, 8, step=3),
    "rate": FloatDistribution(0.0, 1.0),
    "many": IntDistribution(0, 1000),
}
GRAPH = Graph(switches=("a", "b", "c"), edges=(("a", "b"), ("b", "c"), ("c", "unknown")), blocks=(("b", "c"),))


@pytest.fixture
def encoding() -> Encoding:
    return Encoding(SPACE, GRAPH)


def test_rows_and_params_are_inverse(encoding: Encoding) -> None:
    rows = [tuple(row) for row in encoding.all_rows().tolist()]
    params = [encoding.params(row) for row in rows]
    assert len(set(rows)) == encoding.count == 2**3 * 3 * 3
    assert [encoding.row(one) for one in params] == rows
    assert {(type(one["a"]), type(one["c"]), type(one["step"])) for one in params} == {(int, bool, int)}


def test_switches_stand_in_the_graph_s_order_and_what_has_too_many_values_is_left_out(encoding: Encoding) -> None:
    assert encoding.names == ("a", "b", "c", "method", "step")


def test_without_a_graph_every_parameter_with_two_values_is_a_switch() -> None:
    assert Encoding(SPACE, Graph()).switches == ("b", "a", "c")


def test_parameter_sets_from_outside_have_no_row(encoding: Encoding) -> None:
    inside = encoding.params([0, 1, 0, 2, 1])
    assert encoding.row(inside | {"rate": 0.3}) == (0, 1, 0, 2, 1)
    assert encoding.row(inside | {"method": "percentile"}) is None
    assert encoding.row({name: value for name, value in inside.items() if name != "b"}) is None


def test_features_by_hand(encoding: Encoding) -> None:
    row = np.array([[1, 1, 0, 2, 0]], dtype=np.int16)
    found = encoding.features(row)[0]
    third = 2 / 3
    expected = [1, third, 0.5, 1, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, third, third, 0, 0]
    np.testing.assert_allclose(found, expected)
    groups = encoding.groups
    assert len(groups) == len(found)
    assert [int((groups == g).sum()) for g in (SWITCH, BORDER, CHOICE, INTERACTION)] == [3, 2, 6, 6]


def test_known_effects_stand_at_their_switches_and_borders() -> None:
    graph = Graph(
        switches=("a", "b", "c"),
        edges=GRAPH.edges,
        effects=({"b": -0.2, "x": 9.0},),
        border_effects=({("a", "b"): 0.1},),
    )
    encoding = Encoding(SPACE, graph)
    assert np.nonzero(encoding.effects(0))[0].tolist() == [4, 6]
    np.testing.assert_allclose(encoding.effects(0)[[4, 6]], [-0.2, 0.1])
    assert not encoding.effects(1).any()


def test_neighbours_are_the_other_ends_of_a_switch_s_edges(encoding: Encoding) -> None:
    assert [sorted(others.tolist()) for _, others in encoding.neighbours] == [[1], [0, 2], [1]]
    assert [sorted(edges.tolist()) for edges, _ in encoding.neighbours] == [[0], [0, 1], [1]]
