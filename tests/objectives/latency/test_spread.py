"""The interval of a timing holds a new one as often as it says; it is never narrower than the timing's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.objectives.latency.spread import Spread

RATIOS = st.floats(0.1, 3.0)


@pytest.mark.parametrize("timings", [1, 3])
@pytest.mark.parametrize("deviation", [0.002, 0.03])
def test_95_of_100_new_timings_are_within_what_was_told(timings: int, deviation: float) -> None:
    rng, true, held, rounds = np.random.default_rng(0), 0.5, 0, 4000
    for _ in range(rounds):
        spread = Spread.of_ratios(np.exp(rng.normal(0, deviation, 6)).tolist())
        told = true * math.exp(rng.normal(0, deviation, timings).mean())
        low, high = spread.around(told, (told, told), timings=timings)
        held += low <= true * math.exp(rng.normal(0, deviation)) <= high
    assert 0.94 < held / rounds < 0.96


def test_timings_own_intervals_alone_hold_far_fewer() -> None:
    rng = np.random.default_rng(0)
    told, new = np.exp(rng.normal(0, 0.02, (2, 1000)))
    assert np.mean(np.abs(np.log(new / told)) < 0.004) < 0.2  # as the seven finalists, of which none was


@given(ratio=RATIOS, below=st.floats(0, 0.2), above=st.floats(0, 0.2), deviation=st.floats(0, 0.1))
def test_the_interval_holds_the_timings_own(ratio: float, below: float, above: float, deviation: float) -> None:
    own = ratio * (1 - below), ratio * (1 + above)
    low, high = Spread(deviation=deviation, timings=6).around(ratio, own)
    assert low <= own[0] * (1 + 1e-12)
    assert high >= own[1] * (1 - 1e-12)


@given(ratio=RATIOS, deviation=st.floats(0, 0.1), timings=st.integers(1, 9))
def test_more_timings_of_an_engine_and_a_better_known_spread_never_widen_it(
    ratio: float, deviation: float, timings: int
) -> None:
    own = ratio * 0.999, ratio * 1.001
    low, high = Spread(deviation=deviation, timings=6).around(ratio, own, timings=timings)
    for narrower in (
        Spread(deviation=deviation, timings=6).around(ratio, own, timings=timings + 1),
        Spread(deviation=deviation, timings=7).around(ratio, own, timings=timings),
    ):
        assert low <= narrower[0] * (1 + 1e-12)
        assert high >= narrower[1] * (1 - 1e-12)


@pytest.mark.parametrize(("deviation", "timings"), [(0.01, 1), (-0.01, 6), (math.nan, 6)])
def test_what_is_no_spread_is_refused(deviation: float, timings: int) -> None:
    with pytest.raises(ValueError, match="a spread needs 2 timings"):
        Spread(deviation=deviation, timings=timings)
