"""Where a graph of batch 1 holds the batch: it is let grow, and what grows with it holds it.

Every node is shown to ONNX's own shape inference twice, at batch 1 and at a large prime. A size that is that many times
as large holds the batch. What has its sizes written down, such as the target of a Reshape, grows only if it is changed:
such places are found here, and `batch.py` changes them. A Reshape moves no value, so where the batch is behind it
follows from how many values lie before the batch. What shapes cannot show, that no node mixes images, is left to a run
of the graph (`batch_proof.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from .batch_shapes import (
    GROWN,
    SMALL,
    FixedToItsBatchError,
    Found,
    Operands,
    Shape,
    ShapeInference,
    Tensor,
    are_small,
    attribute_of,
    constant,
    fixed,
    grown_shape,
    sizes_of,
)

_RESHAPING = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}  # values stay in their order
_SIZES_AT = {"Reshape": 1, "Expand": 1, "Resize": 3}  # the operand that tells the result's sizes
# What may keep a tensor's shape though it works along axes:
_ALONG_AXIS = {"GatherElements": 0, "ScatterElements": 0, "LpNormalization": -1}  # and the axis if none is named
_SOFTMAXES = {"Softmax", "LogSoftmax", "Hardmax"}
_ON_IMAGES = {"AveragePool", "Conv", "ConvTranspose", "InstanceNormalization", "LRN", "LpPool", "MaxPool"}
MOST_WAYS = 32  # that a graph is walked through, where axes of size 1 leave several

_MIXING = {
    "DynamicQuantizeLinear": "takes one scale for all images of a batch",
    "GatherND": "addresses images by their number",
    "ScatterND": "addresses images by their number",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One operand that must be told the batch.

    Args:
        node: its place in the graph.
        operand: its place among the node's inputs.
        kind: `sizes`: it becomes a constant of `sizes`, that of `axis` times the batch. `repeat`: it is repeated for
            each image along `axis`; all `sizes` are 1. `offset`: it is an index into one image, and image i's are
            `step` * i further on.
    """

    node: int
    operand: int
    kind: Literal["sizes", "repeat", "offset"]
    sizes: Shape
    axis: int
    step: int = 0

    def shape(self, batch: int) -> list[int]:
        return [size * batch if axis == self.axis else size for axis, size in enumerate(self.sizes)]


def places_of_batch(model: Any, image: str) -> tuple[list[Change], dict[str, Tensor]]:
    """What is to be changed in an `onnx.ModelProto` of batch 1 for another batch, in graph order, and its outputs.

    Args:
        image: the name of its one input.

    Raises:
        FixedToItsBatchError: that cannot be told, or images would be mixed.
    """
    first: FixedToItsBatchError | None = None
    choices: list[int] | None = []
    for _ in range(MOST_WAYS):
        walk = _Walk(model, image, choices or [])
        try:
            return walk.to_outputs(model.graph)
        except FixedToItsBatchError as fixed_here:
            first = first or fixed_here
        if (choices := walk.other_choices()) is None:
            break
    assert first is not None  # there was one way at least
    raise first


class _Walk:
    """The graph's tensors, as far as it was walked through.

    Args:
        choices: of the first Reshapes that could put the batch on several axes: how likely an axis to take, 0 the most.
    """

    def __init__(self, model: Any, image: str, choices: Sequence[int]) -> None:
        from onnx import numpy_helper

        self.changes: list[Change] = []
        self.known: dict[str, Tensor] = {}
        self._infer = ShapeInference(model)
        self._choices = list(choices)
        self._offered: list[int] = []  # among how many each choice was
        for weight in model.graph.initializer:
            values = numpy_helper.to_array(weight) if math.prod(weight.dims) <= SMALL else None
            self.known[weight.name] = constant(weight.data_type, tuple(weight.dims), values)
        (port,) = (value for value in model.graph.input if value.name == image)
        one = tuple(dim.dim_value for dim in port.type.tensor_type.shape.dim)
        self.known[image] = Tensor(element=port.type.tensor_type.elem_type, one=one, grown=(GROWN, *one[1:]))

    def to_outputs(self, graph: Any) -> tuple[list[Change], dict[str, Tensor]]:
        """Walk to the end; what is to be changed, and the outputs."""
        for place, node in enumerate(graph.node):
            self.pass_node(place, node)
        for value in graph.output:
            found = self.known.get(value.name)
            if found is None or found.axis != 0 or found.own != 1:
                raise FixedToItsBatchError(f"its output '{value.name}' does not have the images along its first axis")
        return self.changes, {value.name: self.known[value.name] for value in graph.output}

    def other_choices(self) -> list[int] | None:
        """The next ones to try, the last choice changed first; None if there are no others."""
        chosen = self._choices[: len(self._offered)]
        while chosen and chosen[-1] + 1 >= self._offered[len(chosen) - 1]:
            chosen.pop()
        return [*chosen[:-1], chosen[-1] + 1] if chosen else None

    def pass_node(self, place: int, node: Any) -> None:
        """Learn of a node's results."""
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise fixed(node, "holds graphs of its own")
        operands = [self.known.get(name) for name in node.input]
        if node.op_type in ("Shape", "Size"):
            found = [sizes_of(node, operands[0])]
        elif not any(operand is not None and operand.varies for operand in operands):
            found = self._unvaried(node, operands)
        elif any(name and operand is None for name, operand in zip(node.input, operands, strict=True)):
            raise fixed(node, "reads a tensor whose shape cannot be told")
        elif any(operand is not None and operand.axis is not None for operand in operands):
            found = self._batched(place, node, operands)
        else:
            found = self._computed(node, operands)
        self.known.update({name: result for name, result in zip(node.output, found, strict=False) if name and result})

    def _unvaried(self, node: Any, operands: Operands) -> Operands:
        """Results that do not depend on the batch; None where nothing can be told, until a batch meets them."""
        from onnx import numpy_helper

        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = node.attribute[0].t
            small = numpy_helper.to_array(tensor) if math.prod(tensor.dims) <= SMALL else None
            return [constant(tensor.data_type, tuple(tensor.dims), small)]
        if any(name and operand is None for name, operand in zip(node.input, operands, strict=True)):
            return []
        try:
            shapes = self._infer.shapes(node, operands, 0)
        except FixedToItsBatchError:
            return []
        values = self._infer.values(node, operands, 0) if are_small(shapes) else None
        return [constant(*shape, values[i] if values else None) if shape else None for i, shape in enumerate(shapes)]

    def _computed(self, node: Any, operands: Operands) -> Operands:
        """Results from values that depend on the batch, as sizes do, and on no image."""
        shapes = [self._infer.shapes(node, operands, world) for world in (0, 1)]
        values = [self._infer.values(node, operands, world) if are_small(shapes[world]) else None for world in (0, 1)]
        found: Operands = []
        for i, (one, grown) in enumerate(zip(*shapes, strict=True)):
            if one is None or grown is None or len(one[1]) != len(grown[1]):
                raise fixed(node, "gives a tensor whose shape cannot be told")
            both = (values[0][i], values[1][i]) if values[0] and values[1] else None
            found.append(Tensor(element=one[0], one=one[1], grown=grown[1], values=both))
        return found

    def _batched(self, place: int, node: Any, operands: Operands) -> Operands:
        """Results of what holds the batch; what must be changed for that is noted."""
        if node.op_type in _MIXING:
            raise fixed(node, _MIXING[node.op_type])
        self._refuse_along(node, operands)
        if node.op_type == "Concat":
            operands = self._repeated(place, node, operands)
        if node.op_type == "Gather":
            operands = self._offset(place, node, operands)
        if node.op_type in _SIZES_AT:
            operands = self._resized(place, node, operands)
        pairs = zip(*(self._infer.shapes(node, operands, world) for world in (0, 1)), strict=True)
        return [self._placed(node, operands, *pair) for pair in pairs]

    def _placed(self, node: Any, operands: Operands, one: Found, grown: Found) -> Tensor:
        """A result with the place of its batch, which is its operands' unless values only change their axes."""
        if one is None or grown is None or len(one[1]) != len(grown[1]):
            raise fixed(node, "gives a tensor whose shape cannot be told")
        found = Tensor(element=one[0], one=one[1], grown=grown[1])
        grew = [(a, b) for a, b in zip(found.one, found.grown, strict=True) if a != b]
        if len(grew) != 1 or grew[0][1] != grew[0][0] * GROWN:
            raise fixed(node, f"does not keep the images apart: what it gives at batch 1 is {list(found.one)}")
        holding = [operand for operand in operands if operand is not None and operand.axis is not None]
        if node.op_type in _RESHAPING:
            before, earlier = holding[0].before, math.prod(found.one[: found.axis])
            if before % earlier or found.own % (before // earlier):
                raise fixed(node, "mixes the images")
            return replace(found, outer=before // earlier)
        if node.op_type == "Gather":
            holding = holding[-1:]  # indices, or else the data
        if {(operand.own, operand.outer) for operand in holding} != {(found.own, holding[0].outer)}:
            raise fixed(node, "works along the batch")
        return replace(found, outer=holding[0].outer)

    def _refuse_along(self, node: Any, operands: Operands) -> None:
        """Of what works along axes without changing their sizes, none may be the batch's."""
        rank = max(len(operand.one) for operand in operands if operand is not None)
        along = _axes_along(node, rank, opset=self._infer.opset)
        if node.op_type == "CumSum" and operands[1] is not None:
            along = set(range(rank)) if operands[1].values is None else {int(operands[1].values[0]) % rank}
        if any(operand is not None and operand.axis in along for operand in operands):
            raise fixed(node, "works along the batch")

    def _repeated(self, place: int, node: Any, operands: Operands) -> Operands:
        """Of a Concat: what holds no batch is the same for each image."""
        holding = next(operand for operand in operands if operand is not None and operand.axis is not None)
        axis, found = holding.axis, list(operands)
        assert axis is not None  # it holds the batch
        if attribute_of(node, "axis", 0) % len(holding.one) == axis:
            raise fixed(node, "joins along the batch")
        for i, operand in enumerate(operands):
            if operand is not None and operand.axis is None and operand.one[axis] == holding.own == 1:
                sizes = (1,) * len(operand.one)
                self.changes.append(Change(node=place, operand=i, kind="repeat", sizes=sizes, axis=axis))
                found[i] = replace(operand, grown=grown_shape(operand.one, axis), values=None)
        return found

    def _offset(self, place: int, node: Any, operands: Operands) -> Operands:
        """Of a Gather along the batch: indices count within their image."""
        data, indices = operands
        assert data is not None  # a Gather has both
        assert indices is not None
        if data.axis is None or attribute_of(node, "axis", 0) % len(data.one) != data.axis:
            return operands
        if indices.axis is None or indices.own != 1 or data.outer != 1:
            raise fixed(node, "picks along the batch")
        sizes = (1,) * len(indices.one)
        change = Change(node=place, operand=1, kind="offset", sizes=sizes, axis=indices.axis, step=data.own)
        self.changes.append(change)
        return operands

    def _resized(self, place: int, node: Any, operands: Operands) -> Operands:
        """Of what has the sizes of its result as an operand: they grow with the batch."""
        at, source = _SIZES_AT[node.op_type], operands[0]
        sizes = operands[at] if len(operands) > at else None
        if source is None or source.axis is None or sizes is None or sizes.values is None:
            return operands
        (shape,) = self._infer.shapes(node, operands, 0)
        one = shape[1] if shape else ()
        axis = (
            self._chosen(node, source, one) if node.op_type == "Reshape" else source.axis + len(one) - len(source.one)
        )
        wanted = grown_shape(one, axis)
        try:
            (found,) = self._infer.shapes(node, operands, 1)
        except FixedToItsBatchError:
            found = None
        if found is not None and found[1] == wanted:
            return operands
        self.changes.append(Change(node=place, operand=at, kind="sizes", sizes=one, axis=axis))
        values = (np.array(one, np.int64), np.array(wanted, np.int64))
        changed = Tensor(element=sizes.element, one=(len(one),), grown=(len(one),), values=values)
        return [*operands[:at], changed, *operands[at + 1 :]]

    def _chosen(self, node: Any, source: Tensor, shape: Shape) -> int:
        """The axis that holds the batch after a Reshape to these sizes at batch 1."""
        able = source.axes_after(shape)
        if not able:
            raise fixed(node, "mixes the images")
        if len(able) == 1:
            return able[0]
        if len(self._choices) == len(self._offered):
            self._choices.append(0)
        self._offered.append(len(able))
        return able[self._choices[len(self._offered) - 1]]


def _axes_along(node: Any, rank: int, *, opset: int) -> set[int]:
    """Along which axes a node works that may keep their sizes; none of an operation that is not known to."""
    if node.op_type in _ALONG_AXIS:
        return {attribute_of(node, "axis", _ALONG_AXIS[node.op_type]) % rank}
    if node.op_type in _SOFTMAXES:
        whole = opset < 13  # then over all axes from that one on
        axis = attribute_of(node, "axis", 1 if whole else -1) % rank
        return set(range(axis, rank)) if whole else {axis}
    if node.op_type == "LayerNormalization":
        return set(range(attribute_of(node, "axis", -1) % rank, rank))
    return set(range(1, rank)) if node.op_type in _ON_IMAGES else set()
