"""What TensorRT's inspector tells of an engine's layers, on texts in its own form."""

from __future__ import annotations

import json
from typing import Any

from qpareto.objectives.engines.tensorrt.layers import layers_from_json
from qpareto.spaces.precision import FLOAT, INT8


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


def test_a_layer_is_known_by_the_graphs_names_and_by_what_it_reads() -> None:
    found = {layer.name: layer for layer in layers_from_json(DETAILED)}
    assert (found["stem + act"].nodes, found["stem + act"].precision) == (("stem", "act"), INT8)
    assert (found["inner"].nodes, found["inner"].precision) == (("inner",), FLOAT)
    assert (found["boxes + add"].nodes, found["boxes + add"].precision) == (("boxes", "add"), INT8)


def test_a_reformat_holds_no_node_and_computes_nothing_in_int8() -> None:
    layers = layers_from_json(DETAILED)
    assert [layer.reformat for layer in layers] == [True, False, False, True, False]
    assert all(layer.nodes == () and layer.precision == FLOAT for layer in layers if layer.reformat)


def test_mere_names_tell_the_reformats_and_leave_int8_open() -> None:
    text = json.dumps({"Layers": ["Reformatting CopyNode for Input Tensor 0 to a", "a + b"]})
    reformat, fused = layers_from_json(text)
    assert (reformat.reformat, reformat.precision) == (True, FLOAT)
    assert (fused.nodes, fused.reformat, fused.precision) == (("a", "b"), False, None)


def test_a_foreign_node_does_not_tell() -> None:
    (opaque,) = layers_from_json(json.dumps({"Layers": [layer("{ForeignNode[stem...boxes]}", "Myelin", "Int8")]}))
    assert opaque.precision is None
