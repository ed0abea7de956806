"""The summary of what really runs in an engine."""

from __future__ import annotations

from pathlib import Path

from qpareto.objectives.engines.build import engine_bytes
from qpareto.objectives.engines.inspection import EngineLayer, Inspection

LAYERS = (
    EngineLayer(name="to int8", nodes=(), int8=False, reformat=True),
    EngineLayer(name="stem + act", nodes=("stem", "act"), int8=True, reformat=False),
    EngineLayer(name="again", nodes=("act",), int8=True, reformat=False),
    EngineLayer(name="inner", nodes=("inner",), int8=False, reformat=False),
)
OPAQUE = EngineLayer(name="black box", nodes=("boxes",), int8=None, reformat=False)


def test_nodes_of_int8_layers_are_told_once_and_in_order() -> None:
    found = Inspection.of_layers(LAYERS)
    assert found.int8 == ("stem", "act")
    assert found.ran_in_int8(["stem", "inner", "elsewhere"]) == 1


def test_reformats_and_layers_are_counted() -> None:
    found = Inspection.of_layers(LAYERS)
    assert (found.layers, found.reformats, found.opaque) == (4, ("to int8",), 0)


def test_an_engine_of_opaque_layers_does_not_tell_but_one_among_others_does() -> None:
    assert Inspection.of_layers([OPAQUE]).ran_in_int8(["boxes"]) is None
    found = Inspection.of_layers([*LAYERS, OPAQUE])
    assert (found.opaque, found.ran_in_int8(["stem", "boxes"])) == (1, 1)


def test_it_survives_its_file_which_is_no_part_of_the_engines_size(tmp_path: Path) -> None:
    assert Inspection.load(tmp_path) is None
    found = Inspection.of_layers([*LAYERS, OPAQUE])
    found.save(tmp_path)
    assert Inspection.load(tmp_path) == found
    assert engine_bytes(tmp_path) == 0
