"""A Q/DQ graph that another tool made of the model, taken as it is: to be measured beside one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import ModelError
from ...spaces.masks import LayerMask
from ...spaces.model import DetectorModel, described
from .apply_mask import QuantizedModel
from .graph import graph_hash
from .reading.files import load_with_data


def quantized_elsewhere(path: Path, model: DetectorModel, layers: Sequence[str]) -> QuantizedModel:
    """Read one.

    Args:
        model: the float model, whose input and outputs it must have.
        layers: by name; those that read both of their inputs from DequantizeLinear are the mask. Where the tool renamed
            nodes it tells fewer of them than run in INT8.

    Raises:
        ModelError: it cannot be read, is no Q/DQ graph, or is of another model.
    """
    graph, _ = load_with_data(path)
    dequantized = {node.output[0] for node in graph.graph.node if node.op_type == "DequantizeLinear"}
    if not dequantized:
        raise ModelError(f"{path.name} has no DequantizeLinear: name a Q/DQ graph, as ONNX Runtime or NNCF writes it.")
    found = described(graph, path, content_hash="")
    ours, theirs = ((each.input_shape, each.output_shapes) for each in (model, found))
    if ours != theirs:
        shapes = [f"{list(image)} to {[list(shape) for shape in outputs]}" for image, outputs in (theirs, ours)]
        raise ModelError(f"{path.name} turns {shapes[0]}, but the study's model {shapes[1]}: name a graph of that one.")
    int8 = [node.name for node in graph.graph.node if node.name in layers and dequantized.issuperset(node.input[:2])]
    return QuantizedModel(model=graph, graph_hash=graph_hash(graph), mask=LayerMask.from_names(layers, int8))
