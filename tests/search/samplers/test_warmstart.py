from __future__ import annotations

from qpareto.search.samplers.warmstart import first_candidates
from qpareto.spaces.layers import Layer
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.space import space_of_layers

LAYERS = [
    Layer(name=f"/model.{i // 2}/{i}/Conv", op="Conv", block=f"model.{i // 2}", macs=1, weights=1) for i in range(6)
]
NAMES = [layer.name for layer in LAYERS]


def test_recipes_come_first_under_the_largest_and_the_smallest_calibrations() -> None:
    space = space_of_layers(LAYERS, methods=["max", "entropy"], sizes=[8, 16, 32])
    recipes = [LayerMask.from_names(NAMES, NAMES[1:]), LayerMask.all(NAMES)]
    found = list(first_candidates(space, LAYERS, recipes))
    assert [str(c.calibration) for c in found[:4]] == ["entropy:32", "max:32", "entropy:8", "max:8"]
    assert [c.mask for c in found[:8]] == [recipes[0]] * 4 + [recipes[1]] * 4


def test_then_each_block_is_taken_back_to_float_once() -> None:
    space = space_of_layers(LAYERS, methods=["max"], sizes=[8])
    found = list(first_candidates(space, LAYERS, [LayerMask.all(NAMES)]))[1:]
    assert [set(~c.mask) for c in found] == [set(NAMES[:2]), set(NAMES[2:4]), set(NAMES[4:])]


def test_what_the_space_does_not_hold_is_left_out() -> None:
    space = space_of_layers(LAYERS, methods=["max"], sizes=[8], keep_float=["model.1"])
    found = list(first_candidates(space, LAYERS, [LayerMask.all(NAMES), space.searched]))
    assert found
    assert all(space.accepts(candidate) for candidate in found)


def test_a_single_size_is_tried_once() -> None:
    space = space_of_layers(LAYERS, methods=["max"], sizes=[8])
    found = [str(c) for c in first_candidates(space, LAYERS, [LayerMask.all(NAMES)])]
    assert len(set(found)) == len(found)
