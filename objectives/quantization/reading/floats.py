"""The step of reading that makes an FP16 or BF16 graph a float32 one: every value of theirs is one of float32."""

from __future__ import annotations

from typing import Any

from ....spaces.tensors import graphs_within, nodes_within, tensors_within, types_of_tensors
from ..graph import drop_unread


def widen_floats(model: Any) -> str | None:
    """Turn half floats into float32: weights exactly, with inputs, outputs and casts; casts between floats go.

    Returns:
        What was done, for people; None if the graph has no half floats.
    """
    from onnx import TensorProto, numpy_helper

    halves = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    graphs = list(graphs_within(model.graph))
    tensors = [tensor for tensor in tensors_within(model.graph) if tensor.data_type in halves]
    ports = [port.type.tensor_type for each in graphs for port in (*each.input, *each.output, *each.value_info)]
    found = {each.data_type for each in tensors} | {port.elem_type for port in ports} & {*halves}
    if not found:
        return None
    _drop_casts(model, (TensorProto.FLOAT, *halves))
    for tensor in tensors_within(model.graph):
        if tensor.data_type in halves:
            values = numpy_helper.to_array(tensor).astype("float32")
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for each in graphs_within(model.graph):
        for port in (*each.input, *each.output, *each.value_info):
            if port.type.tensor_type.elem_type in halves:
                port.type.tensor_type.elem_type = TensorProto.FLOAT
        for attribute in (a for node in each.node for a in node.attribute if a.name in ("to", "dtype")):
            if attribute.i in halves:
                attribute.i = TensorProto.FLOAT
    name = TensorProto.DataType.Name(found.pop())
    return f"its {name} values are FLOAT"


def _drop_casts(model: Any, floats: tuple[int, ...]) -> None:
    """Let whoever reads a cast of floats to floats read what it reads, but for the model's outputs."""
    types, outputs = types_of_tensors(model), {value.name for value in model.graph.output}
    source: dict[str, str] = {}
    for node in model.graph.node:
        for each in nodes_within(node):
            for i, tensor in enumerate(each.input):
                each.input[i] = source.get(tensor, tensor)
        if node.op_type == "Cast" and node.output[0] not in outputs:
            (to,) = (attribute.i for attribute in node.attribute if attribute.name == "to")
            if to in floats and types.get(node.input[0], (0, ()))[0] in floats:
                source[node.output[0]] = node.input[0]
    drop_unread(model.graph)
