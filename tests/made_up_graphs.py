"""Graphs that move, merge and mix axes, drawn by Hypothesis; the batch is wherever they moved it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

IMAGE = (1, 3, 4, 6)
Images = NDArray[np.float32]


class GraphWriter:
    """Nodes in a row, each reading the result of the one before; knows where the batch of 1 is, and if it is shared.

    Args:
        shape: of the input.
    """

    def __init__(self, shape: tuple[int, ...] = IMAGE) -> None:
        self.shape, self.axis = list(shape), 0
        self.shares = False  # whether the axis of the batch also counts something else
        self._input, self._nodes, self._weights = shape, list[Any](), list[Any]()
        self._tensor = "images"

    def constant(self, values: NDArray[Any]) -> str:
        name = f"constant {len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op: str, *operands: str, shape: list[int], first: bool = True, **attributes: Any) -> None:
        """The result so far goes in before the other operands, or behind them."""
        inputs = [self._tensor, *operands] if first else [*operands, self._tensor]
        self._tensor, self.shape = f"tensor {len(self._nodes)}", shape
        self._nodes.append(helper.make_node(op, inputs, [self._tensor], name=f"{op} {len(self._nodes)}", **attributes))

    def transpose(self, order: list[int]) -> None:
        self.axis = order.index(self.axis)
        self.node("Transpose", shape=[self.shape[i] for i in order], perm=order)

    def reshape(self, shape: list[int], *, target: list[int] | None = None) -> None:
        self.node("Reshape", self.constant(np.array(target or shape, np.int64)), shape=shape)

    def model(self, *, opset: int = 13) -> Any:
        graph = helper.make_graph(
            self._nodes,
            "made up",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, self._input)],
            [helper.make_tensor_value_info(self._tensor, TensorProto.FLOAT, self.shape)],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


Step = Callable[[GraphWriter, st.DrawFn], None]


@st.composite
def graphs(draw: st.DrawFn, steps: Sequence[Step]) -> Any:
    """An onnx.ModelProto of batch 1 whose result is each image's own."""
    writer = GraphWriter()
    for _ in range(draw(st.integers(1, 8))):
        draw(st.sampled_from(steps))(writer, draw)
    if writer.shares:
        unmerge(writer, draw)
    rest = [i for i in range(len(writer.shape)) if i != writer.axis]
    writer.transpose([writer.axis, *rest])
    return writer.model()


def move(writer: GraphWriter, draw: st.DrawFn) -> None:
    writer.transpose(draw(st.permutations(range(len(writer.shape)))))


def merge(writer: GraphWriter, draw: st.DrawFn) -> None:
    """Two neighbouring axes become one; the batch's, where it is the left one, then counts both."""
    places = [
        i for i in range(len(writer.shape) - 1) if i + 1 != writer.axis and not (writer.shares and i == writer.axis)
    ]
    if len(writer.shape) < 3 or not places:
        return
    i, shape = draw(st.sampled_from(places)), writer.shape
    writer.shares |= i == writer.axis and shape[i + 1] > 1
    writer.axis -= writer.axis > i
    merged = [*shape[:i], shape[i] * shape[i + 1], *shape[i + 2 :]]
    writer.reshape(merged, target=written(merged, i, draw))


def split(writer: GraphWriter, draw: st.DrawFn) -> None:
    """An axis of an even size that does not count the images becomes two, of which neither is 1."""
    places = [i for i, size in enumerate(writer.shape) if size % 2 == 0 and size > 2 and i != writer.axis]
    if not places or len(writer.shape) > 4:
        return
    i, shape = draw(st.sampled_from(places)), writer.shape
    writer.axis += writer.axis > i
    parted = [*shape[:i], 2, shape[i] // 2, *shape[i + 1 :]]
    writer.reshape(parted, target=written(parted, i, draw))


def unmerge(writer: GraphWriter, draw: st.DrawFn) -> None:
    if not writer.shares:
        return
    i, shape = writer.axis, writer.shape
    writer.shares = False
    parted = [*shape[:i], 1, *shape[i:]]
    writer.reshape(parted, target=written(parted, i + 1, draw))


def written(shape: list[int], place: int, draw: st.DrawFn) -> list[int]:
    """The sizes as an exporter may write them: one of them left to be found."""
    target = list(shape)
    if draw(st.booleans()):
        target[place] = -1
    return target


def broadcast(writer: GraphWriter, draw: st.DrawFn) -> None:
    """A constant of the same sizes, where the batch is 1 too: a grid, say."""
    if writer.shares:
        return
    values = np.random.default_rng(draw(st.integers(0, 9))).random(writer.shape, dtype=np.float32)
    op, first = draw(st.sampled_from(["Add", "Mul"])), draw(st.booleans())
    writer.node(op, writer.constant(values), shape=writer.shape, first=first)


def join(writer: GraphWriter, draw: st.DrawFn) -> None:
    """A constant that each image gets: a class token, say."""
    axes = [i for i in range(len(writer.shape)) if i != writer.axis]
    if writer.shares or np.prod(writer.shape) > 500:
        return
    axis = draw(st.sampled_from(axes))
    sizes = [1 if i == axis else size for i, size in enumerate(writer.shape)]
    token = writer.constant(np.full(sizes, 0.5, np.float32))
    joined = [size + (i == axis) for i, size in enumerate(writer.shape)]
    writer.node("Concat", token, shape=joined, first=draw(st.booleans()), axis=axis)


def softmax(writer: GraphWriter, draw: st.DrawFn) -> None:
    axis = draw(st.sampled_from([i for i in range(len(writer.shape)) if i != writer.axis]))
    writer.node("Softmax", shape=writer.shape, axis=axis)


def square(writer: GraphWriter, draw: st.DrawFn) -> None:
    """A matrix product along the last axis, if that is not the batch's."""
    last = writer.shape[-1]
    if writer.axis == len(writer.shape) - 1 or last > 16:
        return
    values = np.random.default_rng(draw(st.integers(0, 9))).random((last, last), dtype=np.float32) / last
    writer.node("MatMul", writer.constant(values), shape=writer.shape)


def wrap(writer: GraphWriter, draw: st.DrawFn) -> None:
    """One more axis of size 1, which could be taken for the batch's."""
    if len(writer.shape) > 4:
        return
    axis = draw(st.integers(0, len(writer.shape)))
    writer.axis += axis <= writer.axis
    shape = [*writer.shape[:axis], 1, *writer.shape[axis:]]
    writer.node("Unsqueeze", writer.constant(np.array([axis], np.int64)), shape=shape)


AS_DETECTORS_DO = [move, merge, split, unmerge, broadcast, softmax, square]
ALL_STEPS = [*AS_DETECTORS_DO, join, wrap]
