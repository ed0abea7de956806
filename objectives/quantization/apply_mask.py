"""A mask applied to a calibrated model: ModelOpt's full Q/DQ graph, less what the mask calls float.

docs/quantization.md tells the rule for the nodes around the layers, and why it is this one.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import QuantizationError
from ...spaces.masks import LayerMask
from ...spaces.precision import FLOAT, Precision
from .graph import DEQUANTIZE, QUANTIZE, QdqGraph, check_mask, drop_unread, graph_hash

Shifts = Mapping[str, NDArray[np.float32]]
_FLOAT_BIAS = "qpareto.float_bias "  # and a name: a key of metadata, for the bias of a layer as float32 in base 64


@dataclass(frozen=True, kw_only=True)
class QuantizedModel:
    """A graph that was checked to be its mask."""

    model: Any  # onnx.ModelProto
    graph_hash: str  # under which results are shared: equal graphs are one trial
    mask: LayerMask


class CalibratedModel:
    """ModelOpt's Q/DQ graph with every layer in INT8 that it can quantize, ready to take any mask.

    Args:
        path: what `calibrated_model` left. Scales are float32; weights are float32 before their QuantizeLinear.
        shifts: what is added to a layer's bias when it is quantized, float32 [channels], by name: see bias.py.
    """

    def __init__(self, path: Path, *, shifts: Shifts = MappingProxyType({})) -> None:
        import onnx

        self.graph = QdqGraph(onnx.load(path))
        self._shifts = shifts
        self.layers = self.graph.quantized_layers()
        if not self.layers:
            raise QuantizationError("ModelOpt quantized no layer of this model: it may hold only layers it refuses.")

    def with_mask(self, mask: LayerMask) -> QuantizedModel:
        """The graph in which every layer runs in the mask's precision, checked to be so.

        Raises:
            QuantizationError: the mask names a layer that ModelOpt does not quantize, or the check fails.
        """
        if refused := sorted(set(mask) - set(self.layers)):
            raise QuantizationError(f"ModelOpt does not quantize '{refused[0]}': leave it out of the mask.")
        asked = mask.by_layer()
        precisions = {name: asked.get(name, FLOAT) for name in self.layers}
        model = self._rewired(precisions)
        check_mask(QdqGraph(model), precisions)
        return QuantizedModel(model=model, graph_hash=graph_hash(model), mask=mask)

    def _rewired(self, precisions: Mapping[str, Precision]) -> Any:
        """Let every node that is not to read INT8 read the float tensor, then drop what nobody reads."""
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self.graph.model)
        for node in model.graph.node:
            if node.op_type not in (QUANTIZE, DEQUANTIZE) and self._read_by(node, precisions) == FLOAT:
                self.graph.read_floats(node)
            elif node.name in self._shifts:
                self._shift(model, node)
        drop_unread(model.graph)
        return model

    def _shift(self, model: Any, node: Any) -> None:
        """Give a layer the bias that it has when it is quantized; the other one is kept in the model's metadata."""
        from onnx import numpy_helper

        bias, before = self._shifts[node.name], b""
        if len(node.input) > 2 and node.input[2]:
            told = numpy_helper.to_array(self.graph.initializers[node.input[2]])
            bias, before = bias + told, told.tobytes()
        _set_bias(model.graph, node, bias, name=f"{node.name} corrected bias")
        model.metadata_props.add(key=_FLOAT_BIAS + node.name, value=b64encode(before).decode())

    def _read_by(self, node: Any, precisions: Mapping[str, Precision]) -> Precision:
        """Of a searched layer, what the mask says. Of any other node, what all its neighbouring layers run in."""
        around = {node.name} if node.name in self._searched else self._neighbours.get(node.name, frozenset())
        found = {precisions[name] for name in around}
        return found.pop() if len(found) == 1 else FLOAT

    @cached_property
    def _searched(self) -> frozenset[str]:
        return frozenset(self.layers)

    @cached_property
    def _neighbours(self) -> dict[str, frozenset[str]]:
        """For each other node that reads a dequantized tensor: the layers that its result reaches first.

        Where it reaches none (it feeds only the model's outputs): the layers that it comes from.
        """
        below = self._layers_below()
        found = {}
        for node in self.graph.nodes:
            other = node.name not in self._searched and node.op_type not in (QUANTIZE, DEQUANTIZE)
            if other and any(self.graph.source_of_dequantized(tensor) is not None for tensor in node.input):
                found[node.name] = below[node.name] or self._layers_above(node)
        return found

    def _layers_below(self) -> dict[str, frozenset[str]]:
        """For each node, the searched layers that its result reaches before any other searched layer."""
        below: dict[str, frozenset[str]] = {}
        for node in reversed(self.graph.nodes):
            reached: set[str] = set()
            for reader in (r for tensor in node.output for r in self.graph.readers[tensor] if r.op_type != "Shape"):
                reached |= {reader.name} if reader.name in self._searched else below[reader.name]
            below[node.name] = frozenset(reached)
        return below

    def _layers_above(self, node: Any) -> frozenset[str]:
        between = [node, *self.graph.values_above(node, until=self._searched)]
        producers = (self.graph.producer.get(tensor) for other in between for tensor in other.input)
        return frozenset(p.name for p in producers if p is not None) & self._searched


def float_graph(path: Path) -> QuantizedModel:
    """A quantized graph less all its Q/DQ pairs, whose weights are float before them: the reference's graph.

    Args:
        path: an .onnx that `CalibratedModel.with_mask` gave.
    """
    import onnx

    model = onnx.load(path)
    layers = QdqGraph(model).quantized_layers()
    if layers:
        model = CalibratedModel(path).with_mask(LayerMask.none(layers)).model
        _take_shifts_back(model)
    return QuantizedModel(model=model, graph_hash=graph_hash(model), mask=LayerMask.none(layers))


def _take_shifts_back(model: Any) -> None:
    """Give corrected layers the biases that they have in float, which the model's metadata hold."""
    nodes = {node.name: node for node in model.graph.node}
    for entry in [entry for entry in model.metadata_props if entry.key.startswith(_FLOAT_BIAS)]:
        node = nodes[entry.key.removeprefix(_FLOAT_BIAS)]
        bias = np.frombuffer(b64decode(entry.value), np.float32)
        _set_bias(model.graph, node, bias if len(bias) else None, name=f"{node.name} float bias")
        model.metadata_props.remove(entry)


def _set_bias(graph: Any, node: Any, bias: NDArray[np.float32] | None, *, name: str) -> None:
    from onnx import numpy_helper

    del node.input[2:]
    if bias is not None:
        node.input.append(name)
        graph.initializer.append(numpy_helper.from_array(bias, name))
