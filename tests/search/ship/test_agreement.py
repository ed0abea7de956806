"""When two measurements of one figure agree, against what they were drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from qpareto.objectives.interval import Interval
from qpareto.search.ship.agreement import agree, difference


def around(value: float, arm: float) -> Interval:
    return Interval(value, value - arm, value + arm)


def test_independent_intervals_add_like_the_sides_of_a_right_triangle() -> None:
    assert difference(around(1.0, 0.3), around(2.0, 0.4)) == pytest.approx((1.0, 0.5, 1.5))


def test_each_limit_takes_the_arms_that_face_each_other() -> None:
    lopsided = difference(Interval(1.0, 1.0, 1.3), Interval(2.0, 1.6, 2.0))
    assert lopsided == pytest.approx((1.0, 0.5, 1.0))


def test_what_shares_its_images_shares_its_arms() -> None:
    assert difference(around(0.4, 0.01), around(0.41, 0.01), correlation=1.0) == pytest.approx((0.01, 0.01, 0.01))


def test_measurements_disagree_only_beyond_their_intervals_and_the_margin() -> None:
    assert agree(around(0.5, 0.01), around(0.5, 0.0), margin=0.0)
    assert agree(around(0.5, 0.01), around(0.512, 0.01), margin=0.0)
    assert not agree(around(0.5, 0.01), around(0.52, 0.01), margin=0.0)
    assert agree(around(0.5, 0.01), around(0.52, 0.01), margin=0.01)
    assert not agree(around(0.52, 0.01), around(0.5, 0.01), margin=0.0)


def test_two_honest_measurements_of_one_truth_agree_in_95_of_100_cases() -> None:
    drawn = np.random.default_rng(0).normal(0.6, [0.01, 0.02], size=(4000, 2))
    agreed = [agree(around(x, 1.96 * 0.01), around(y, 1.96 * 0.02), margin=0.0) for x, y in drawn]
    assert np.mean(agreed) == pytest.approx(0.95, abs=0.01)
