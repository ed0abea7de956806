"""A small detector written as other people's tools write it: the same values, another file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def saved(model: Any, path: Path) -> Path:
    onnx.save(model, path)
    return path


def with_constants(model: Any) -> Any:
    """Every initializer as a Constant node."""
    constants = [
        helper.make_node("Constant", [], [weight.name], f"constant {i}", value=weight)
        for i, weight in enumerate(model.graph.initializer)
    ]
    nodes = [*constants, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def backwards(model: Any) -> Any:
    """The nodes in reverse order."""
    nodes = list(reversed(model.graph.node))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def in_half(model: Any, *, ports: bool = True) -> Any:
    """Weights in FP16, and input and outputs too or cast at the border; Resize keeps its scales."""
    del model.graph.value_info[:]
    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT and weight.name != "scales":
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), weight.name))
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.elem_type = TensorProto.FLOAT16
    if not ports:
        _cast_at_the_border(model.graph)
    return model


def of_any_size(model: Any, sizes: Sequence[str | int] = ("batch", 3, "height", "width")) -> Any:
    """With an input of open sizes, and the outputs then known by their number of axes alone."""
    del model.graph.value_info[:]
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, sizes, strict=True):
        dim.Clear()
        setattr(dim, "dim_param" if isinstance(size, str) else "dim_value", size)
    for i, dim in enumerate(model.graph.output[0].type.tensor_type.shape.dim):
        dim.Clear()
        dim.dim_param = f"output_{i}"
    return model


def shape_from_image(model: Any) -> Any:
    """Its Reshape goes by the image's own batch, found by Shape, Gather and Concat, as dynamic exports do."""
    graph = model.graph
    for name, value in {"first": [0], "rest": [24, -1]}.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    found = [
        helper.make_node("Shape", ["images"], ["sizes"], "sizes"),
        helper.make_node("Gather", ["sizes", "first"], ["own batch"], "own batch"),
        helper.make_node("Concat", ["own batch", "rest"], ["target"], "target", axis=0),
    ]
    for node in graph.node:
        node.input[:] = ["target" if tensor == "shape" else tensor for tensor in node.input]
    for node in reversed(found):
        graph.node.insert(0, node)
    return model


def with_postprocessor(model: Any, *, batch_axis: bool) -> Any:
    """Of labels, boxes and scores, boxes times the `orig_target_sizes` that it takes too, as DETRs are exported."""
    graph = model.graph
    (output,) = graph.output
    batch, boxes = output.type.tensor_type.shape.dim[0].dim_value, output.type.tensor_type.shape.dim[2].dim_value
    graph.input.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, ["batch", 2]))
    for name, value in {"of box and classes": [4, 20], "box axis": [1], "first": [0]}.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    ends = ("labels", "boxes", "best") if batch_axis else ("labels of 1", "boxes of 1", "best of 1")
    graph.node.extend(
        [
            helper.make_node("Split", [output.name, "of box and classes"], ["corners", "likely"], "split", axis=1),
            helper.make_node("Transpose", ["corners"], ["rows"], "rows", perm=[0, 2, 1]),
            helper.make_node("Cast", ["orig_target_sizes"], ["size"], "size", to=TensorProto.FLOAT),
            helper.make_node("Concat", ["size", "size"], ["sizes"], "sizes", axis=1),
            helper.make_node("Unsqueeze", ["sizes", "box axis"], ["factors"], "factors"),
            helper.make_node("ArgMax", ["likely"], [ends[0]], "labels", axis=1, keepdims=0),
            helper.make_node("Mul", ["rows", "factors"], [ends[1]], "boxes"),
            helper.make_node("ReduceMax", ["likely"], [ends[2]], "best", axes=[1], keepdims=0),
        ]
    )
    del graph.output[:]
    if not batch_axis:
        names = zip(ends, ("labels", "boxes", "best"), strict=True)
        graph.node.extend(helper.make_node("Squeeze", [end, "first"], [name], f"{name} of one") for end, name in names)
    of_one: list[int] = [batch] if batch_axis else []
    for name, kind, shape in (("labels", TensorProto.INT64, []), ("boxes", 1, [4]), ("best", 1, [])):
        graph.output.append(helper.make_tensor_value_info(name, kind, [*of_one, boxes, *shape]))
    return model


def nameless(model: Any) -> Any:
    for node in model.graph.node:
        node.name = ""
    return model


def quantized_outside(model: Any, op: str) -> Any:
    """With three nodes of an operator of quantized graphs, which are never run."""
    model.graph.node.extend(helper.make_node(op, ["images"], [f"unread {i}"], f"{op} {i}") for i in range(3))
    return model


def with_data_beside(model: Any, path: Path) -> Path:
    """Saved as PyTorch does by default: the weights in a file beside it."""
    onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0)
    return path


def _cast_at_the_border(graph: Any) -> None:
    (image,), (output,) = graph.input, graph.output
    for port in (image, output):
        port.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in graph.node:
        node.input[:] = ["half image" if tensor == image.name else tensor for tensor in node.input]
        node.output[:] = ["half output" if tensor == output.name else tensor for tensor in node.output]
    graph.node.insert(0, helper.make_node("Cast", [image.name], ["half image"], "in", to=TensorProto.FLOAT16))
    graph.node.append(helper.make_node("Cast", ["half output"], [output.name], "out", to=TensorProto.FLOAT))
