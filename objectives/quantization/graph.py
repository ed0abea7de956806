"""Reading a Q/DQ graph: what each node reads, which layers are quantized to what, and the graph's canonical hash."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

from ...errors import QuantizationError
from ...spaces.layers import LAYER_OPS
from ...spaces.precision import FLOAT, Precision, precision_of_pair
from ...spaces.tensors import nodes_within, readers_of_tensors

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"


class QdqGraph:
    """An index over an `onnx.ModelProto` that is only read."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.nodes: list[Any] = list(model.graph.node)
        self.initializers = {weight.name: weight for weight in model.graph.initializer}

    @cached_property
    def producer(self) -> dict[str, Any]:
        """Tensor -> the node that writes it; inputs and initializers have none."""
        return {name: node for node in self.nodes for name in node.output}

    @cached_property
    def readers(self) -> defaultdict[str, list[Any]]:
        """Tensor -> the nodes that read it, in graph order."""
        return readers_of_tensors(self.model.graph)

    def source_of_dequantized(self, tensor: str) -> str | None:
        """The float tensor behind a Q/DQ pair, or None if the tensor comes from no DequantizeLinear."""
        dequantize = self.producer.get(tensor)
        if dequantize is None or dequantize.op_type != DEQUANTIZE:
            return None
        quantize = self.producer.get(dequantize.input[0])
        if quantize is None or quantize.op_type != QUANTIZE:
            raise QuantizationError(f"'{dequantize.name}' has no QuantizeLinear before it: not a graph of ModelOpt's.")
        return str(quantize.input[0])

    def read_floats(self, node: Any) -> None:
        """Let a copy of one of the nodes read, of each Q/DQ pair before it, the float tensor."""
        for i, tensor in enumerate(node.input):
            node.input[i] = self.source_of_dequantized(tensor) or tensor

    def precision_of(self, node: Any) -> Precision:
        """What a layer runs in: what the pairs round to that both its operands come straight from, or else float."""
        found = {self._precision_of_pair(tensor) for tensor in node.input[:2]}
        return found.pop() if len(found) == 1 else FLOAT

    def quantized_layers(self) -> tuple[str, ...]:
        """Names of the layers whose weight and activation both pass through Q/DQ, in graph order."""
        return tuple(n.name for n in self.nodes if n.op_type in LAYER_OPS and self.precision_of(n) != FLOAT)

    def values_above(self, node: Any, *, until: Collection[str]) -> Iterator[Any]:
        """Nodes that a node's operands come from, back to the nodes named in `until`, which are left out.

        Shape is not passed: it reads no values.
        """
        seen: set[str] = set()
        waiting = list(node.input)
        while waiting:
            above = self.producer.get(waiting.pop())
            if above is None or above.name in seen or above.name in until or above.op_type == "Shape":
                continue
            seen.add(above.name)
            yield above
            waiting.extend(above.input)

    def _precision_of_pair(self, tensor: str) -> Precision:
        """Float of a tensor that comes from no pair."""
        from onnx import TensorProto

        if self.source_of_dequantized(tensor) is None:
            return FLOAT
        dequantize = self.producer[tensor]
        zero = self.initializers.get(dequantize.input[2]) if len(dequantize.input) > 2 else None
        rounded_to = TensorProto.DataType.Name(TensorProto.UINT8 if zero is None else zero.data_type)  # ONNX's default
        if found := precision_of_pair(rounded_to):
            return found
        raise QuantizationError(f"'{dequantize.name}' comes from {rounded_to}, which is no precision of layers here.")


def check_mask(graph: QdqGraph, precisions: Mapping[str, Precision]) -> None:
    """Hold the graph against the mask that it is to be: the effective mask equals the requested one.

    A quantized layer reads both operands straight from pairs of its precision. A float layer reads neither from any,
    and no Q/DQ pair stands anywhere between it and the searched layers before it.

    Args:
        precisions: what each searched layer is to run in.

    Raises:
        QuantizationError: the first layer for which this does not hold.
    """
    named = {node.name: node for node in graph.nodes}
    if missing := sorted(precisions.keys() - named.keys()):
        raise QuantizationError(f"The quantized graph lost the layer '{missing[0]}' of {len(precisions)}.")
    for name, precision in precisions.items():
        above = graph.values_above(named[name], until=precisions.keys()) if precision == FLOAT else ()
        if found := next((node for node in above if node.op_type in (QUANTIZE, DEQUANTIZE)), None):
            raise QuantizationError(f"The mask calls '{name}' float, but '{found.name}' stands before it.")
        if graph.precision_of(named[name]) != precision:
            raise QuantizationError(
                f"The mask calls '{name}' {precision.title}, but the graph does not quantize both its operands to that."
            )


def graph_hash(model: Any) -> str:
    """Canonical hash of an `onnx.ModelProto`: 32 hex digits, one for all graphs that compute the same way.

    A Merkle hash: each tensor's digest covers the operation that wrote it, its attributes and its operands'
    digests; inputs count by position, constants by content. Names, node order and metadata do not count.
    """
    digests = _digests_of_tensors(model)
    opsets = sorted((entry.domain, entry.version) for entry in model.opset_import)
    return _digest(str(opsets), *(digests[value.name] for value in model.graph.output)).hex()[:32]


def layer_digests(model: Any) -> dict[str, str]:
    """What each layer of an `onnx.ModelProto` computes, by its name: equal in graphs of one `graph_hash`."""
    digests = _digests_of_tensors(model)
    return {node.name: digests[node.output[0]].hex() for node in model.graph.node if node.op_type in LAYER_OPS}


def _digests_of_tensors(model: Any) -> dict[str, bytes]:
    digests = {value.name: _digest("input", i, _type_bytes(value)) for i, value in enumerate(model.graph.input)}
    digests.update({weight.name: _digest("constant", _constant_bytes(weight)) for weight in model.graph.initializer})
    digests[""] = b""
    for node in model.graph.node:
        attributes = sorted(_attribute_bytes(attribute) for attribute in node.attribute)
        operands = [digests[name] for name in node.input]
        whole = _digest(node.op_type, node.domain, len(attributes), *attributes, *operands)
        digests.update({name: _digest(whole, i) for i, name in enumerate(node.output) if name})
    return digests


def scales_hash(model: Any) -> str:
    """Hash of every scale of an `onnx.ModelProto`, by the tensor that it scales: 32 hex digits."""
    graph = QdqGraph(model)
    pairs = sorted((node.input[0], node.input[1]) for node in graph.nodes if node.op_type == QUANTIZE)
    scales = (part for tensor, scale in pairs for part in (tensor, _constant_bytes(graph.initializers[scale])))
    return _digest(*scales).hex()[:32]


def drop_unread(graph: Any) -> None:
    """Remove nodes and initializers that no output depends on, from the last node to the first."""
    read = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if read.intersection(node.output):
            read.update(tensor for each in nodes_within(node) for tensor in each.input)
            kept.append(node)
    kept.reverse()
    weights = [weight for weight in graph.initializer if weight.name in read]
    if len(kept) == len(graph.node) and len(weights) == len(graph.initializer):
        return
    values = [value for value in graph.value_info if value.name in read]
    replace_items(graph.node, kept)
    replace_items(graph.initializer, weights)
    replace_items(graph.value_info, values)


def replace_items(field: Any, items: list[Any]) -> None:
    """Put these messages, some of which it may hold, into a repeated field."""
    copies = [type(item).FromString(item.SerializeToString()) for item in items]
    del field[:]
    field.extend(copies)


def _digest(*parts: str | int | bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


def _type_bytes(value: Any) -> bytes:
    return bytes(value.type.SerializeToString(deterministic=True))


def _constant_bytes(tensor: Any) -> bytes:
    """Type, shape and values, whether they are stored raw or in a typed field."""
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    return b"".join((str(values.dtype).encode(), str(values.shape).encode(), values.tobytes()))


def _attribute_bytes(attribute: Any) -> bytes:
    if attribute.HasField("t"):
        return _digest(attribute.name, _constant_bytes(attribute.t))
    return bytes(attribute.SerializeToString(deterministic=True))
