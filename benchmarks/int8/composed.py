"""Ranges composed of several methods': for each tensor the one whose rounding moves the layers behind it least.

Label-free: the error is that of the layer's output against the float model's, in squares, summed over the layers that
read the tensor, each in shares of what its output is in squares. Tensors that no layer reads keep the first method's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qpareto.objectives.quantization.graph import DEQUANTIZE, QUANTIZE, QdqGraph
from qpareto.objectives.quantization.variants import GraphTensors

Operands = tuple[NDArray[Any], NDArray[Any]]  # scale and zero point


def composed_operands(graphs: Sequence[Any], feeds: Iterable[Mapping[str, NDArray[np.float32]]]) -> dict[str, Operands]:
    """Scale and zero point by quantized activation.

    Args:
        graphs: onnx.ModelProto of one model with every layer in INT8, a method each; their placement is the same.
        feeds: inputs of the model, held.
    """
    held = list(feeds)
    errors = [_errors(model, held) for model in graphs]
    told = [_operands(QdqGraph(model)) for model in graphs]
    best = {tensor: min(range(len(graphs)), key=lambda k: errors[k].get(tensor, 0.0)) for tensor in told[0]}
    return {tensor: told[k][tensor] for tensor, k in best.items()}


def _operands(graph: QdqGraph) -> dict[str, Operands]:
    from onnx import numpy_helper

    pairs = (n for n in graph.nodes if n.op_type == QUANTIZE and n.input[0] not in graph.initializers)
    arrays = {n.input[0]: [numpy_helper.to_array(graph.initializers[name]) for name in n.input[1:3]] for n in pairs}
    return {tensor: (scale, zero) for tensor, (scale, zero) in arrays.items()}


def _errors(model: Any, feeds: Sequence[Mapping[str, NDArray[np.float32]]]) -> dict[str, float]:
    """By activation, the sum of the shares of their outputs that the layers behind it lose."""
    import onnx
    from onnx import helper

    graph = QdqGraph(model)
    both = onnx.ModelProto()
    both.CopyFrom(model)
    asked: dict[str, tuple[str, str]] = {}
    layers = set(graph.quantized_layers())
    for node in list(both.graph.node):
        if node.op_type in (QUANTIZE, DEQUANTIZE):
            continue
        source = graph.source_of_dequantized(node.input[0]) if node.name in layers else None
        quantized = onnx.NodeProto()
        quantized.CopyFrom(node)
        graph.read_floats(node)
        if source is None or node.op_type != "Conv":
            continue
        place = f"{node.name} error"
        quantized.name = quantized.output[0] = f"{place} INT8"
        less = helper.make_node("Sub", [node.output[0], quantized.output[0]], [f"{place} less"], f"{place} less")
        parts = [("lost", less.output[0]), ("whole", node.output[0])]
        sums = [helper.make_node("ReduceSumSquare", [of], [f"{place} {what}"], f"{place} {what}") for what, of in parts]
        both.graph.node.extend([quantized, less, *sums])
        asked[node.name] = (source, place)
    tensors = GraphTensors(both, {f"{place} {what}" for _, place in asked.values() for what in ("lost", "whole")})
    found = [tensors.run(feed) for feed in feeds]
    errors: dict[str, float] = defaultdict(float)
    for source, place in asked.values():
        lost, whole = (sum(float(one[f"{place} {what}"].sum()) for one in found) for what in ("lost", "whole"))
        errors[source] += lost / max(whole, 1e-12)
    return dict(errors)
