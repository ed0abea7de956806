"""Which quantized tensors meet: their bytes are joined, pooled or repeated, which takes one scale and zero point.

A tensor has one range, a Concat that it goes to another one. An engine that gets both rounds the tensor twice: the
layer before it writes bytes of the one, and a pass over all of them makes bytes of the other. With one range for all
that meet there is no such pass. docs/quantization.md tells what it saves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .graph import QUANTIZE, QdqGraph

_MOVING = {"Concat", "MaxPool", "Resize"}  # every value that they give is one that they were given
_WIDER = 4  # at most: a tensor gives up two of its eight bits


def meeting_tensors(graph: QdqGraph, widths: Mapping[str, float]) -> list[set[str]]:
    """Disjoint sets of two or more quantized tensors that are to have one range, in graph order.

    A tensor that is less than a quarter as wide as what it goes into is left out, and is rounded twice.

    Args:
        graph: of ModelOpt's, with every layer in INT8.
        widths: largest less smallest value, by quantized activation.
    """
    found: list[set[str]] = []
    for node in graph.nodes:
        if node.op_type not in _MOVING or _averages(node) or node.output[0] not in widths:
            continue
        joined = node.output[0]
        sources = (_quantized_behind(graph, tensor) for tensor in node.input)
        met = {s for s in sources if s and s in widths and widths[s] * _WIDER >= widths[joined]}
        apart = [group for group in found if group.isdisjoint(met | {joined})]
        together = [group for group in found if not group.isdisjoint(met | {joined})]
        found = [*apart, {joined}.union(met, *together)]
    return [group for group in found if len(group) > 1]


def _quantized_behind(graph: QdqGraph, tensor: str) -> str | None:
    """The tensor itself if it is quantized, or the one that was before it was moved; None if none was."""
    if any(reader.op_type == QUANTIZE for reader in graph.readers[tensor]):
        return tensor
    source = graph.source_of_dequantized(tensor)
    node = graph.producer.get(tensor)
    if source or node is None or node.op_type not in _MOVING or node.op_type == "Concat" or _averages(node):
        return source
    return _quantized_behind(graph, node.input[0])


def _averages(node: Any) -> bool:
    """Whether it is a Resize that gives values between those that it was given."""
    modes = [attribute.s for attribute in node.attribute if attribute.name == "mode"]
    return node.op_type == "Resize" and modes not in ([], [b"nearest"])
