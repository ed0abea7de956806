"""Constant factors moved from in front of a quantized operand of a MatMul to behind the MatMul.

TensorRT 8.6.1 loses such a factor without a word where the operand comes out of a Split, as the queries of an attention
do that are scaled before their product with the keys: of `Split, Mul, Transpose, Q, DQ, MatMul` it computes the graph
without the Mul, and the Q cuts off what is then too large. Seen on an H200, in FP32 too: a made-up graph of these nodes
was 3.4 times its size, and YOLO11n lost objects in every mask that makes its first attention product INT8. The same
graph without the Mul is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ....spaces.tensors import constants_of_graph, readers_of_tensors

_MOVES_VALUES = ("Transpose", "Reshape")  # what may stand between factor and Q: every value stays itself


@dataclass(frozen=True, kw_only=True)
class _Scaled:
    """A factor in front of a quantized operand: its Mul, what is multiplied, the Q with its scale, DQ, and products."""

    mul: Any
    value: str
    factor: np.float32
    reader: Any  # of the Mul's result: the Q, or what moves values before it
    scale: Any
    quantize: Any
    dequantize: Any
    products: list[Any]


def with_factors_behind_products(model: Any) -> Any:
    """The same graph, in place, where (a factor times x) quantized by s is x quantized by s over the factor.

    What is rounded is the same number, the product is smaller by the factor, and is multiplied by it instead. Only a
    positive scalar whose product goes nowhere else is moved; other graphs stay as they are.

    Args:
        model: onnx.ModelProto with Q/DQ, its nodes in topological order.
    """
    while (found := _first(model.graph)) is not None:
        _move(model.graph, found)
    return model


def _first(graph: Any) -> _Scaled | None:
    constants, readers = constants_of_graph(graph), readers_of_tensors(graph)
    given = {output.name for output in graph.output}
    for node in graph.node:
        scaled = _scaled(node, constants, readers, given) if node.op_type == "Mul" else None
        if scaled is not None:
            return scaled
    return None


def _scaled(mul: Any, constants: dict[str, Any], readers: dict[str, list[Any]], given: set[str]) -> _Scaled | None:
    """What to move of this Mul; None if there is nothing, or if moving would change what somebody else reads."""
    factors = [name for name in mul.input if name in constants]
    values = [name for name in mul.input if name not in constants]
    reader = quantize = _only_reader(mul, readers, given)
    while quantize is not None and quantize.op_type in _MOVES_VALUES:
        quantize = _only_reader(quantize, readers, given)
    if len(factors) != 1 or len(values) != 1 or quantize is None or quantize.op_type != "QuantizeLinear":
        return None
    factor, dequantize = _array(constants[factors[0]]), _only_reader(quantize, readers, given)
    if factor.size != 1 or not factor.item() > 0 or dequantize is None or quantize.input[1] not in constants:
        return None
    products = readers.get(dequantize.output[0], [])
    if not products or any(each.op_type != "MatMul" or len(set(each.input)) < 2 for each in products):
        return None
    return _Scaled(
        mul=mul,
        value=values[0],
        factor=np.float32(factor.item()),
        reader=reader,
        scale=_array(constants[quantize.input[1]]),
        quantize=quantize,
        dequantize=dequantize,
        products=products,
    )


def _only_reader(node: Any, readers: dict[str, list[Any]], given: set[str]) -> Any:
    """The node that alone reads what this one computes, as its first input; None if there is no such one."""
    (output,) = node.output
    follows = readers.get(output, [])
    return follows[0] if len(follows) == 1 and output not in given and follows[0].input[0] == output else None


def _move(graph: Any, found: _Scaled) -> None:
    import onnx

    name, factor = found.mul.output[0], f"{found.mul.name}_factor"
    graph.initializer.append(onnx.numpy_helper.from_array(found.scale / found.factor, f"{name}_scale"))
    graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(found.factor), factor))
    found.quantize.input[1] = found.dequantize.input[1] = f"{name}_scale"
    for product in found.products:
        output, smaller = product.output[0], f"{product.output[0]}_smaller"
        product.output[0] = smaller
        scaling = onnx.helper.make_node("Mul", [smaller, factor], [output], name=f"{product.name}_scaling")
        place = next(i for i, node in enumerate(graph.node) if smaller in node.output)
        graph.node.insert(place + 1, scaling)
    found.reader.input[0] = found.value
    graph.node.remove(found.mul)


def _array(tensor: Any) -> Any:
    import onnx

    return onnx.numpy_helper.to_array(tensor)
