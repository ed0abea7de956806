"""The integer program against all masks of small networks, and the predicted front as a whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qpareto.search.front import hypervolume
from qpareto.search.samplers import warmstart
from qpareto.search.samplers.encoding import Graph
from qpareto.search.samplers.warmstart import (
    GAP,
    Bools,
    Expectation,
    Floats,
    best_within,
    candidates_of_masks,
    predicted_front,
)
from qpareto.spaces.layers import Layer
from qpareto.spaces.space import space_of_layers

MARGIN = 1e-5  # of the largest harm, or saving: what the solver takes for equal


@st.composite
def expectations(draw: st.DrawFn) -> Expectation:
    n = draw(st.integers(1, 7))
    sizes = st.floats(0, 100, allow_subnormal=False).map(lambda x: round(x, 3))
    pairs = [pair for pair in itertools.combinations(range(n), 2) if draw(st.booleans())]
    return Expectation(
        harm=np.array(draw(st.lists(sizes, min_size=n, max_size=n))),
        saved=np.array(draw(st.lists(sizes.map(lambda x: x - 10), min_size=n, max_size=n))),
        edges=np.array(pairs, dtype=np.intp).reshape(-1, 2),
        border_cost=draw(st.sampled_from([0.0, 0.1, 1.0, 10.0])),
    )


def all_masks(n: int) -> Bools:
    return np.array(list(itertools.product([False, True], repeat=n)))


def told(expected: Expectation, masks: Bools) -> tuple[Floats, Floats]:
    """Harm and saved time, borders paid, of each mask, from the definition."""
    borders = sum((masks[:, a] ^ masks[:, b] for a, b in expected.edges.tolist()), np.zeros(len(masks)))
    return masks @ expected.harm, masks @ expected.saved - expected.border_cost * borders


def chain(n: int, *, border_cost: float = 0.0) -> Expectation:
    """Layers in a row that save alike, and harm the more the later they stand."""
    edges = np.array(list(itertools.pairwise(range(n))), dtype=np.intp).reshape(-1, 2)
    return Expectation(
        harm=np.power(1.5, np.arange(n, dtype=np.float64)), saved=np.ones(n), edges=edges, border_cost=border_cost
    )


@settings(deadline=None, max_examples=60)
@given(expectations(), st.floats(0, 1))
def test_no_mask_within_the_budget_saves_more(expected: Expectation, share: float) -> None:
    budget = share * float(expected.harm.sum())
    harm, saved = told(expected, all_masks(len(expected.harm)))
    best = saved[harm <= budget].max()
    (of_harm,), (of_saved,) = told(expected, best_within(expected, budget)[None])
    assert of_harm <= budget + MARGIN * expected.harm.max()
    assert of_saved >= best - GAP * abs(best) - MARGIN * np.abs(expected.saved).max()


@settings(deadline=None, max_examples=30)
@given(expectations(), st.integers(1, 6))
def test_the_predicted_front_holds_distinct_masks_that_no_other_beats(expected: Expectation, count: int) -> None:
    masks = predicted_front(expected, count)
    n = len(expected.harm)
    assert masks.shape == (len(masks), n)
    assert len(masks) <= count
    assert len({mask.tobytes() for mask in masks}) == len(masks)
    assert all(0 < mask.sum() < n for mask in masks)
    np.testing.assert_array_equal(predicted_front(expected, count), masks)
    harm, saved = told(expected, all_masks(n))
    for of_harm, of_saved in zip(*told(expected, masks), strict=True):
        best = saved[harm <= of_harm].max()
        assert of_saved >= best - 2 * GAP * abs(best) - MARGIN * np.abs(expected.saved).max()


def test_a_few_masks_already_lie_all_along_the_front() -> None:
    expected = chain(10, border_cost=0.1)
    whole = told(expected, all_masks(10))
    few = told(expected, predicted_front(expected, 5))
    corner = (float(expected.harm.sum()), 0.0)
    best, found = (hypervolume(np.column_stack([harm, -saved]), corner) for harm, saved in (whole, few))
    assert found > 0.85 * best
    assert hypervolume(np.column_stack(told(expected, predicted_front(expected, 1)))[:, :2] * [1, -1], corner) < found


def test_an_island_that_does_not_pay_for_its_borders_stays_float() -> None:
    edges = np.array([[0, 1], [1, 2]])
    cheap = Expectation(harm=np.array([9.0, 1, 9]), saved=np.array([3.0, 3, 3]), edges=edges, border_cost=1.0)
    dear = Expectation(harm=cheap.harm, saved=cheap.saved, edges=edges, border_cost=2.0)
    assert best_within(cheap, 5.0).tolist() == [False, True, False]
    assert not best_within(dear, 5.0).any()
    assert best_within(dear, 19.0).all()


@pytest.mark.parametrize(("harm", "saved"), [([1.0], [1.0]), ([1.0, 2], [0.0, 0]), ([1.0, 2], [-1.0, -2])])
def test_where_nothing_lies_between_float_and_int8_there_is_no_mask(harm: list[float], saved: list[float]) -> None:
    nothing = np.empty((0, 2), dtype=np.intp)
    expected = Expectation(harm=np.array(harm), saved=np.array(saved), edges=nothing, border_cost=0.1)
    assert len(predicted_front(expected, 4)) == 0


def test_all_but_what_saves_nothing_is_the_first_mask() -> None:
    expected = Expectation(
        harm=np.ones(3), saved=np.array([1.0, -1, 1]), edges=np.empty((0, 2), dtype=np.intp), border_cost=0.0
    )
    assert predicted_front(expected, 1).tolist() == [[True, False, True]]


def test_no_time_leaves_no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmstart, "TIME_LIMIT_S", 0.0)
    assert len(predicted_front(chain(8, border_cost=0.1), 4)) == 0


def test_harm_below_zero_counts_as_none() -> None:
    expected = Expectation(
        harm=np.array([-5.0, 1]), saved=np.ones(2), edges=np.empty((0, 2), dtype=np.intp), border_cost=0.0
    )
    assert best_within(expected, 0.5).tolist() == [True, False]


def test_a_graph_tells_harm_and_savings_by_objective_and_a_border_costs_its_share() -> None:
    graph = Graph(
        switches=("a", "b"),
        edges=(("a", "b"),),
        effects=({}, {"a": -4.0, "b": 1.0}, {"b": -0.2}),
    )
    expected = Expectation.from_graph(graph, accuracy=2, latency=1)
    assert expected.harm.tolist() == [0.0, 0.2]
    assert expected.saved.tolist() == [4.0, -1.0]
    assert expected.edges.tolist() == [[0, 1]]
    assert expected.border_cost == pytest.approx(3.0 * warmstart.BORDER_SHARE)
    assert Expectation.from_graph(graph, accuracy=2, latency=1, border_cost=0.5).border_cost == 0.5


def test_methods_take_turns_at_the_largest_size() -> None:
    layers = [Layer(name=f"/model.{i}/Conv", op="Conv", block=f"model.{i}", macs=1, weights=1) for i in range(3)]
    space = space_of_layers(layers, methods=["max", "entropy"], sizes=[8, 32, 16], keep_float=["model.0"])
    found = candidates_of_masks(space, np.array([[True, False], [False, True], [True, True]]))
    assert [str(each.calibration) for each in found] == ["max:32", "entropy:32", "max:32"]
    assert [each.mask.word for each in found] == ["2", "4", "6"]
    assert all(space.accepts(each) for each in found)
