"""The tensors of an ONNX graph: which of them are its inputs."""

from __future__ import annotations

from typing import Any


def inputs_of_graph(graph: Any) -> list[Any]:
    """The inputs of an `onnx.GraphProto` that are to be fed: some exporters list its weights among them."""
    weights = {weight.name for weight in graph.initializer}
    return [value for value in graph.input if value.name not in weights]
