"""The summary of what TensorRT's inspector tells, on texts in its own form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qpareto.objectives.engines.build import engine_bytes
from qpareto.objectives.engines.inspection import Inspection, inspection_from_json


def layer(name: str, kind: str, reads: str, metadata: str = "") -> dict[str, Any]:
    tensors = [{"Name": "x", "Location": "Device", "Dimensions": [1, 3, 8, 8], "Format/Datatype": reads}]
    return {"Name": name, "LayerType": kind, "Inputs": tensors, "Metadata": metadata}


DETAILED = json.dumps(
    {
        "Layers": [
            layer("Reformatting CopyNode for Input Tensor 0 to stem", "Reformat", "Float NCHW"),
            layer(
                "stem + act",
                "CaskConvolution",
                "Thirty-two wide channel vectorized row major Int8 format",
                "[ONNX Layer: stem]\x1e[ONNX Layer: act]",
            ),
            layer("inner", "CaskConvolution", "Half NHWC8", "[ONNX Layer: inner]"),
            layer("Reformatting CopyNode for Output Tensor 0 to inner", "Reformat", "Int8 NC/32HW32"),
            layer("boxes + add", "CaskConvolution", "Int8 NC/32HW32"),
        ],
        "Bindings": ["images", "output"],
    }
)


def test_layers_that_read_int8_are_told_by_the_graphs_names() -> None:
    found = inspection_from_json(DETAILED)
    assert found.int8 == ("stem", "act", "boxes", "add")
    assert found.ran_in_int8(["stem", "inner", "boxes"]) == 2


def test_reformats_are_counted_and_are_no_int8_layers() -> None:
    found = inspection_from_json(DETAILED)
    assert (found.layers, len(found.reformats), found.opaque) == (5, 2, 0)


def test_mere_names_still_tell_the_reformats() -> None:
    found = inspection_from_json(json.dumps({"Layers": ["Reformatting CopyNode for Input Tensor 0 to a", "a + b"]}))
    assert (found.layers, len(found.reformats), found.int8) == (2, 1, ())


def test_an_engine_of_one_opaque_layer_does_not_tell() -> None:
    text = json.dumps({"Layers": [layer("{ForeignNode[stem...boxes]}", "Myelin", "Float")]})
    assert inspection_from_json(text).ran_in_int8(["stem"]) is None


def test_it_survives_its_file_which_is_no_part_of_the_engines_size(tmp_path: Path) -> None:
    assert Inspection.load(tmp_path) is None
    found = inspection_from_json(DETAILED)
    found.save(tmp_path)
    assert Inspection.load(tmp_path) == found
    assert engine_bytes(tmp_path) == 0
