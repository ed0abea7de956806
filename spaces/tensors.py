"""The tensors of an ONNX graph: its inputs, its constants, who reads what, and the types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

Shape = tuple[int, ...]


def inputs_of_graph(graph: Any) -> list[Any]:
    """The inputs of an `onnx.GraphProto` that are to be fed: some exporters list its weights among them."""
    weights = {weight.name for weight in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def constants_of_graph(graph: Any) -> dict[str, Any]:
    """Initializers and the values of Constant nodes, each an `onnx.TensorProto`, by the tensor's name."""
    found = {weight.name: weight for weight in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = node.attribute[0].t
    return found


def graphs_within(graph: Any) -> Iterator[Any]:
    """An `onnx.GraphProto` with its branches and loops."""
    yield graph
    for attribute in (a for node in graph.node for a in node.attribute if a.HasField("g")):
        yield from graphs_within(attribute.g)


def tensors_within(graph: Any) -> Iterator[Any]:
    """Every `onnx.TensorProto` in an `onnx.GraphProto`: initializers and attributes, of its branches and loops too."""
    for each in graphs_within(graph):
        yield from each.initializer
        yield from (a.t for node in each.node for a in node.attribute if a.HasField("t"))


def nodes_within(node: Any) -> Iterator[Any]:
    """An `onnx.NodeProto` with those of its branches and loops."""
    yield node
    yield from (inner for a in node.attribute if a.HasField("g") for each in graphs_within(a.g) for inner in each.node)


def readers_of_tensors(graph: Any) -> defaultdict[str, list[Any]]:
    """Tensor -> the nodes that read it, in graph order; a node that reads it twice is there twice."""
    readers: defaultdict[str, list[Any]] = defaultdict(list)
    for node in graph.node:
        for tensor in node.input:
            readers[tensor].append(node)
    return readers


def types_of_tensors(model: Any) -> dict[str, tuple[int, Shape]]:
    """Element type and shape of each tensor of an `onnx.ModelProto` whose type it or ONNX's inference tells.

    The element type is a number of `onnx.TensorProto.DataType`. A size that is not known is 0, a shape that is not ().
    """
    import onnx

    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    found = {}
    for value in (*graph.value_info, *graph.input, *graph.output):
        type_ = value.type.tensor_type
        found[value.name] = (type_.elem_type, tuple(dim.dim_value for dim in type_.shape.dim))
    return found | {name: (one.data_type, tuple(one.dims)) for name, one in constants_of_graph(graph).items()}
