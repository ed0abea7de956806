"""Times of layers from times of runs."""

from __future__ import annotations

import pytest

from qpareto.objectives.engines.inspection import EngineLayer
from qpareto.objectives.engines.profile import profile_of_runs, reformat_share
from qpareto.spaces.precision import FLOAT, INT8

BORDER = EngineLayer(name="to int8", nodes=(), precision=FLOAT, reformat=True)
STEM = EngineLayer(name="stem + act", nodes=("stem", "act"), precision=INT8, reformat=False)
LAYERS = (BORDER, STEM)


def test_a_layers_time_is_its_median_and_the_order_is_the_layers_own() -> None:
    runs = [
        {"stem + act": 3.0, "to int8": 1.0},
        {"stem + act": 90.0, "to int8": 1.5},
        {"stem + act": 4.0, "to int8": 2},
    ]
    border, stem = profile_of_runs(LAYERS, runs)
    assert (border.name, border.reformat, border.ms) == ("to int8", True, 1.5)
    assert (stem.nodes, stem.precision, stem.ms) == (("stem", "act"), INT8, 4.0)


def test_layers_that_never_ran_are_left_out() -> None:
    (stem,) = profile_of_runs(LAYERS, [{"stem + act": 3.0}, {"stem + act": 3.0}, {"stem + act": 3.0, "to int8": 0.001}])
    assert stem.name == "stem + act"


def test_a_layer_that_only_the_clock_knows_comes_last_and_tells_nothing() -> None:
    last = profile_of_runs(LAYERS, [{"unheard of": 1.0, "stem + act": 3.0}])[-1]
    assert (last.name, last.nodes, last.precision, last.reformat, last.ms) == ("unheard of", (), None, False, 1.0)


def test_the_share_of_reformats_is_a_part_of_the_layers_time() -> None:
    profile = profile_of_runs(LAYERS, [{"to int8": 1.0, "stem + act": 3.0}])
    assert reformat_share(profile) == pytest.approx(0.25)
    assert reformat_share(profile[1:]) == 0
    assert reformat_share(()) == 0
