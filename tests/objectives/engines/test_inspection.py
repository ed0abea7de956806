"""The summary of what really runs in an engine."""

from __future__ import annotations

import json
from pathlib import Path

from qpareto.objectives.engines.build import engine_bytes
from qpareto.objectives.engines.inspection import INSPECTION, EngineLayer, Inspection, names_in_engine, save_layers
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.precision import FLOAT, INT8

LAYERS = (
    EngineLayer(name="to int8", nodes=(), precision=FLOAT, reformat=True),
    EngineLayer(name="stem + act", nodes=("stem", "act"), precision=INT8, reformat=False),
    EngineLayer(name="again", nodes=("act",), precision=INT8, reformat=False),
    EngineLayer(name="inner", nodes=("inner",), precision=FLOAT, reformat=False),
)
OPAQUE = EngineLayer(name="black box", nodes=("boxes",), precision=None, reformat=False)


def test_nodes_of_int8_layers_are_told_once_and_in_order() -> None:
    found = Inspection.of_layers(LAYERS)
    assert found.nodes == {INT8: ("stem", "act")}
    assert found.ran_as(LayerMask.all(["stem", "inner", "elsewhere"])) == 1


def test_reformats_and_layers_are_counted() -> None:
    found = Inspection.of_layers(LAYERS)
    assert (found.layers, found.reformats, found.opaque) == (4, ("to int8",), 0)


def test_an_engine_of_opaque_layers_does_not_tell_but_one_among_others_does() -> None:
    assert Inspection.of_layers([OPAQUE]).ran_as(LayerMask.all(["boxes"])) is None
    found = Inspection.of_layers([*LAYERS, OPAQUE])
    assert (found.opaque, found.ran_as(LayerMask.all(["stem", "boxes"]))) == (1, 1)


def test_it_survives_its_file_which_is_no_part_of_the_engines_size(tmp_path: Path) -> None:
    assert Inspection.load(tmp_path) is None
    found = Inspection.of_layers([*LAYERS, OPAQUE])
    found.save(tmp_path)
    assert Inspection.load(tmp_path) == found
    assert engine_bytes(tmp_path) == 0


def test_the_file_of_an_engine_that_an_earlier_version_built_is_read_and_written_alike(tmp_path: Path) -> None:
    told = {"layers": 3, "int8": ["stem", "act"], "reformats": ["to int8"], "opaque": 0}
    (tmp_path / INSPECTION).write_text(json.dumps(told))
    found = Inspection.load(tmp_path)
    assert found == Inspection(layers=3, nodes={INT8: ("stem", "act")}, reformats=("to int8",), opaque=0)
    found.save(tmp_path)
    assert json.loads((tmp_path / INSPECTION).read_text()) == told


def test_a_graph_of_other_names_counts_by_what_its_layers_compute(tmp_path: Path) -> None:
    save_layers(tmp_path, {"stem": "a1", "inner": "b2"})
    found, mask = Inspection.of_layers(LAYERS), LayerMask.all(["inner", "first"])
    assert found.ran_as(mask) == 0, "its inner is another one's"
    assert names_in_engine(tmp_path, {"inner": "a1", "first": "b2", "new": "c3"}) == {"inner": "stem", "first": "inner"}
    assert found.ran_as(mask, names_in_engine(tmp_path, {"inner": "a1", "first": "b2"})) == 1
    assert names_in_engine(tmp_path / "older", {"inner": "a1"}) == {}
