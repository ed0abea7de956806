"""Brute force is the independent answer: the quadratic definition, and inclusion and exclusion of boxes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from qpareto.search.front import front_of, hypervolume, knee, losses

Points = NDArray[np.float64]
coordinates = st.integers(0, 6).map(float)  # few values, so that ties are common


def points(objectives: int, most: int = 8) -> st.SearchStrategy[Points]:
    return st.integers(0, most).flatmap(lambda n: arrays(np.float64, (n, objectives), elements=coordinates))


def beats(one: Points, other: Points) -> bool:
    return bool((one <= other).all() and (one < other).any())


def volume_by_inclusion_and_exclusion(found: Points, reference: Points) -> float:
    total = 0.0
    for count in range(1, len(found) + 1):
        for chosen in combinations(found, count):
            corner = np.max(chosen, axis=0)
            total += (-1) ** (count + 1) * float(np.prod(np.maximum(reference - corner, 0)))
    return total


@given(points(2) | points(3))
def test_the_front_is_what_nothing_beats(found: Points) -> None:
    expected = [not any(beats(other, point) for other in found) for point in found]
    assert front_of(found).tolist() == expected


def test_of_equal_points_all_are_kept() -> None:
    assert front_of(np.array([[1.0, 2.0], [1.0, 2.0], [2.0, 2.0]])).tolist() == [True, True, False]


def test_a_front_of_nothing_is_nothing() -> None:
    assert front_of(np.empty((0, 2))).tolist() == []


def test_points_with_nan_or_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        front_of(np.array([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="got shape"):
        front_of(np.array([1.0, 2.0]))


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@given(st.data())
def test_hypervolume_is_the_volume_of_the_union_of_boxes(objectives: int, data: st.DataObject) -> None:
    found = data.draw(points(objectives, most=5))
    reference = np.full(objectives, 5.0)
    assert hypervolume(found, reference) == pytest.approx(volume_by_inclusion_and_exclusion(found, reference))


@given(points(2))
def test_points_off_the_front_add_no_volume(found: Points) -> None:
    whole = hypervolume(found, (5.0, 5.0))
    assert hypervolume(found[front_of(found)], (5.0, 5.0)) == pytest.approx(whole)


def test_losses_turn_what_is_maximized() -> None:
    assert losses([(0.4, 20.0)], ["maximize", "minimize"]).tolist() == [[-0.4, 20.0]]
    assert losses([], ["maximize", "minimize"]).shape == (0, 2)


def test_the_knee_is_the_bend_whatever_the_units() -> None:
    bent = np.array([[0.0, 10.0], [1.0, 2.0], [5.0, 1.0], [10.0, 0.0]])
    assert knee(bent) == 1
    assert knee(bent * [1000.0, 0.001]) == 1
    assert knee(bent[:1]) == 0
