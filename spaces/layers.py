"""The layers of a detector: the nodes that could run in INT8, in graph order, with what they cost."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .model import load_onnx
from .tensors import Shape, constants_of_graph, types_of_tensors

LAYER_OPS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One node that INT8 hardware has kernels for.

    Args:
        name: the node's name, unique in the graph.
        op: one of `LAYER_OPS`.
        block: the part of the network that it belongs to, such as `model.10`.
        macs: multiply-accumulates of one inference at the model's own batch.
        weights: elements of its weight; 0 where both operands are activations.
    """

    name: str
    op: str
    block: str
    macs: int
    weights: int


def layers_of_model(path: Path) -> tuple[Layer, ...]:
    """The layers of an ONNX detector, in graph order.

    Raises:
        ModelError: the file is no ONNX model, a layer has no shape to count from, or there is no layer.
    """
    model = load_onnx(path)
    name_nodes(model.graph)
    shapes = {name: shape for name, (_, shape) in types_of_tensors(model).items()}
    nodes = model.graph.node
    constants = {*constants_of_graph(model.graph), *(n.output[0] for n in nodes if n.op_type == "DequantizeLinear")}
    layers = tuple(_layer(node, shapes, constants, path) for node in nodes if node.op_type in LAYER_OPS)
    if not layers:
        raise ModelError(f"{path.name} has no {', '.join(LAYER_OPS)} node, so there is nothing to quantize.")
    return layers


def edges_of_model(path: Path) -> tuple[tuple[str, str], ...]:
    """Pairs of layers of an ONNX detector that hand tensors on, through no other layer: (from, to), in graph order.

    Raises:
        ModelError: the file is no ONNX model.
    """
    graph = load_onnx(path).graph
    name_nodes(graph)
    sources: dict[str, dict[str, None]] = {}  # tensor -> the layers that it comes from, in graph order
    edges: dict[tuple[str, str], None] = {}
    for node in graph.node:
        tensors = () if node.op_type == "Shape" else node.input  # a shape is no precision's business
        found = {layer: None for tensor in tensors for layer in sources.get(tensor, {})}
        if node.op_type in LAYER_OPS:
            edges |= dict.fromkeys((layer, node.name) for layer in found)
            found = {node.name: None}
        sources |= dict.fromkeys(node.output, found)
    return tuple(edges)


def name_nodes(graph: Any) -> None:
    """Name the nodes of an `onnx.GraphProto` that have no name, by the rule that ModelOpt uses.

    Same rule, same names: a layer found here is found again in the graph that ModelOpt writes.
    """
    taken = {node.name for node in graph.node}
    number = len(taken)
    for node in graph.node:
        if node.name:
            continue
        while f"{node.op_type}_{number}" in taken:
            number += 1
        node.name = f"{node.op_type}_{number}"
        taken.add(node.name)


def block_of_name(name: str) -> str:
    """`model.10` of `/model.10/m/attn/qkv/conv/Conv`; else the first part of the name."""
    found = re.match(r"/?(?:model/)?(model\.\d+)(?=[./])", name)
    return found[1] if found else name.strip("/").split("/")[0]


def matching(layers: Iterable[Layer], patterns: Sequence[str]) -> tuple[str, ...]:
    """Names of the layers that a regular expression matches from the start, or whose block it names in full.

    Raises:
        ModelError: a pattern is no regular expression, or matches nothing (a typo, most likely).
    """
    layers = tuple(layers)
    chosen: set[str] = set()
    for pattern in patterns:
        try:
            found = {x.name for x in layers if re.match(pattern, x.name) or re.fullmatch(pattern, x.block)}
        except re.error as error:
            raise ModelError(f"'{pattern}' is not a regular expression ({error}): escape it or correct it.") from error
        if not found:
            raise ModelError(f"'{pattern}' matches no layer and no block: `qpareto layers` lists their names.")
        chosen |= found
    return tuple(x.name for x in layers if x.name in chosen)


def _layer(node: Any, shapes: dict[str, Shape], constants: set[str], path: Path) -> Layer:
    operand, weight, result = (shapes.get(name, ()) for name in (node.input[0], node.input[1], node.output[0]))
    if not (operand and weight and result) or 0 in (*operand, *weight, *result):
        raise ModelError(
            f"The shapes around '{node.name}' of {path.name} are not known: export it with dynamic=False, "
            "or run onnxruntime's symbolic shape inference on it first."
        )
    return Layer(
        name=node.name,
        op=node.op_type,
        block=block_of_name(node.name),
        macs=_macs(node, operand, weight, result),
        weights=math.prod(weight) if node.input[1] in constants else 0,
    )


def _macs(node: Any, operand: Shape, weight: Shape, result: Shape) -> int:
    if node.op_type == "Conv":  # weight: out, in / groups, kernel...
        return math.prod(result) * math.prod(weight[1:])
    if node.op_type == "ConvTranspose":  # weight: in, out / groups, kernel...
        return math.prod(operand) * math.prod(weight[1:])
    transposed = node.op_type == "Gemm" and any(a.name == "transA" and a.i for a in node.attribute)
    return math.prod(result) * operand[0 if transposed else -1]
