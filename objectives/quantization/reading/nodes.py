"""Steps of reading that change how a graph is written, not what it computes: its order, its constants, its names.

Each changes an `onnx.ModelProto` in place and returns what it did, for people; None if there was nothing to do.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from typing import Any

from ....errors import ModelError
from ....spaces.layers import LAYER_OPS, name_nodes
from ....spaces.tensors import nodes_within
from ..graph import replace_items

_BETWEEN = re.compile(r"\s*,\s*|\s+\+\s+")  # engines list the nodes that they fused with these between their names


def sort_nodes(model: Any, name: str) -> str | None:
    """Put every node behind those whose results it reads; nodes that may stand anywhere keep their order.

    Args:
        name: the model's, for sentences.

    Raises:
        ModelError: the nodes read each other in a circle.
    """
    nodes = list(model.graph.node)
    maker = {tensor: i for i, node in enumerate(nodes) for tensor in node.output if tensor}
    above = [
        {maker[tensor] for each in nodes_within(node) for tensor in each.input if tensor in maker} for node in nodes
    ]
    if all(max(makers, default=-1) < i for i, makers in enumerate(above)):
        return None
    readers, missing = defaultdict(list), [len(makers) for makers in above]
    for i, makers in enumerate(above):
        for each in makers:
            readers[each].append(i)
    ready, order = deque(i for i, count in enumerate(missing) if not count), []
    while ready:
        order.append(ready.popleft())
        for reader in readers[order[-1]]:
            missing[reader] -= 1
            if not missing[reader]:
                ready.append(reader)
    if len(order) < len(nodes):
        node = next(node for node, count in zip(nodes, missing, strict=True) if count)
        raise ModelError(f"'{node.name or node.output[0]}' of {name} reads its own result: export the model again.")
    replace_items(model.graph.node, [nodes[i] for i in order])
    return "its nodes were sorted"


def lift_constants(model: Any) -> str | None:
    """Turn Constant nodes into initializers, if a layer has its weight or bias from one: ModelOpt would skip it."""
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {node.output[0]: node for node in graph.node if node.op_type == "Constant"}
    of_layers = {tensor for node in graph.node if node.op_type in LAYER_OPS for tensor in node.input[1:]}
    if not of_layers & constants.keys():
        return None
    lifted = set()
    for tensor, node in constants.items():
        value = helper.get_attribute_value(node.attribute[0])
        if node.attribute[0].name == "value":
            value.name = tensor
        elif (array := _array(node.attribute[0].name, value)) is not None:
            value = numpy_helper.from_array(array, tensor)
        else:
            continue  # strings and sparse tensors
        graph.initializer.append(value)
        lifted.add(tensor)
    replace_items(graph.node, [node for node in graph.node if not lifted.intersection(node.output)])
    return f"{len(lifted)} constants were made initializers"


def name_nodes_apart(model: Any) -> str | None:
    """Give nodes without a name one, and each node a name of its own, without what parts names in it."""
    graph = model.graph
    before = [node.name for node in graph.node]
    taken = set(before)
    for node in graph.node:
        node.name = _BETWEEN.sub("_", node.name)
    name_nodes(graph)
    seen: set[str] = set()
    for node in graph.node:
        name, number = node.name, 1
        while node.name in seen or (number > 1 and node.name in taken):
            node.name, number = f"{name}_{number}", number + 1
        seen.add(node.name)
    renamed = sum(node.name != name for node, name in zip(graph.node, before, strict=True))
    return f"{renamed} nodes got names of their own" if renamed else None


def _array(kind: str, value: Any) -> Any:
    import numpy as np

    dtypes = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    return np.array(value, dtypes[kind]) if kind in dtypes else None
