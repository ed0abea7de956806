"""Which tensors are to have one range: on graphs written out, each with one way to meet or to stay apart."""

from __future__ import annotations

import onnx
import pytest

from qpareto.objectives.quantization.graph import QdqGraph
from qpareto.objectives.quantization.meeting import meeting_tensors

PAIR = "{0}i = QuantizeLinear({0}, s, z)  {0}d = DequantizeLinear({0}i, s, z)"


def quantized(nodes: str, *pairs: str) -> QdqGraph:
    """A graph of the inputs a, b and c [1, 1, 4, 4] and a pair behind each of the tensors named."""
    written = "\n".join(PAIR.format(tensor) for tensor in pairs)
    model = onnx.parser.parse_model(
        f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 1, 4, 4] a, float[1, 1, 4, 4] b, float[1, 1, 4, 4] c) => (float y)
        <float s = {{1.0}}, int8 z = {{0}}, float[4] twice = {{1, 1, 2, 2}}>
        {{ {written} {nodes} }}
        """
    )
    for node in model.graph.node:
        node.name = node.output[0]
    return QdqGraph(model)


@pytest.mark.parametrize(
    ("nodes", "pairs", "expected"),
    [
        ("y = Concat<axis = 1>(a, b)", "aby", [{"a", "b", "y"}]),
        ("y = Concat<axis = 1>(ad, bd)", "aby", [{"a", "b", "y"}]),
        ("y = Concat<axis = 1>(a, b)", "ay", [{"a", "y"}]),
        ("y = Concat<axis = 1>(a, b)", "ab", []),
        ("y = MaxPool<kernel_shape = [1, 1]>(ad)", "ay", [{"a", "y"}]),
        ("p = MaxPool<kernel_shape = [1, 1]>(ad)  y = Concat<axis = 1>(p, b)", "ay", [{"a", "y"}]),
        ('r = Resize<mode = "nearest">(ad, , twice)  y = Concat<axis = 1>(r, r)', "ay", [{"a", "y"}]),
        ('r = Resize<mode = "linear">(ad, , twice)  y = Concat<axis = 1>(r, r)', "ay", []),
        ('y = Resize<mode = "linear">(ad, , twice)', "ay", []),
        ("r = Relu(ad)  y = Concat<axis = 1>(r, r)", "ay", []),
        ("x = Concat<axis = 1>(a, b)  y = Concat<axis = 1>(b, c)", "abcxy", [{"a", "b", "c", "x", "y"}]),
        ("x = Concat<axis = 1>(a, a)  y = Concat<axis = 1>(b, c)", "abcxy", [{"a", "x"}, {"b", "c", "y"}]),
    ],
)
def test_tensors_meet_where_their_bytes_would(nodes: str, pairs: str, expected: list[set[str]]) -> None:
    assert meeting_tensors(quantized(nodes, *pairs), dict.fromkeys(pairs, 1.0)) == expected


@pytest.mark.parametrize(
    ("width", "expected"), [(1.0, [{"a", "b", "y"}]), (0.25, [{"a", "b", "y"}]), (0.24, [{"b", "y"}])]
)
def test_a_tensor_gives_up_two_bits_at_most(width: float, expected: list[set[str]]) -> None:
    graph = quantized("y = Concat<axis = 1>(a, b)", "a", "b", "y")
    assert meeting_tensors(graph, {"a": width, "b": 0.5, "y": 1.0}) == expected


def test_a_tensor_of_unknown_width_stays_apart() -> None:
    graph = quantized("y = Concat<axis = 1>(a, b)", "a", "b", "y")
    assert meeting_tensors(graph, {"b": 1.0, "y": 1.0}) == [{"b", "y"}]
