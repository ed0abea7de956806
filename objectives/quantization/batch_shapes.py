"""A graph's tensors at batch 1 and at a large batch, by ONNX's own shape inference, node by node."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GROWN = 1009  # the large batch: a prime, and no size in a network
SMALL = 64  # values that are followed: sizes, axes and scales, never weights

Shape = tuple[int, ...]
Values = NDArray[Any]
Found = tuple[int, Shape] | None  # element type and shape; None where neither can be told


class FixedToItsBatchError(Exception):
    """A node by which the graph cannot be given another batch: a clause, whose subject is the graph."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """What is known of a tensor at batch 1 and at batch GROWN.

    Args:
        outer: the axis that holds the batch counts `outer` times through all images.
        values: at both batches, of a small tensor that does not depend on the images.
    """

    element: int
    one: Shape
    grown: Shape
    outer: int = 1
    values: tuple[Values, Values] | None = None

    @property
    def axis(self) -> int | None:
        """The one that holds the batch."""
        return next((i for i, (a, b) in enumerate(zip(self.one, self.grown, strict=True)) if a != b), None)

    @property
    def varies(self) -> bool:
        return self.axis is not None or (self.values is not None and not np.array_equal(*self.values))

    @property
    def own(self) -> int:
        """Size, at batch 1, of the axis that holds the batch: 1 where it holds nothing else."""
        return self.one[self.axis] if self.axis is not None else 1

    @property
    def before(self) -> int:
        """Values, at batch 1, that lie before the batch."""
        return math.prod(self.one[: self.axis]) * self.outer

    def axes_after(self, shape: Shape) -> list[int]:
        """The axes that could hold the batch after a Reshape to these sizes at batch 1, the likeliest first.

        The values lie in the same order whichever it is; which one is meant shows in what follows. Likely is one that
        has the batch alone, then one at the old place from the front or the back, then one behind which all is as it
        was.
        """
        assert self.axis is not None  # it holds the batch
        behind = self.one[self.axis + 1 :]
        old_places = (self.axis, self.axis + len(shape) - len(self.one))
        able: list[tuple[bool, bool, bool, bool, int]] = []
        for axis, size in enumerate(shape):
            earlier = math.prod(shape[:axis])
            if self.before % earlier or size % (self.before // earlier):
                continue
            first = earlier == self.before
            own = first and size == 1
            able.append((not own, axis not in old_places, shape[axis + 1 :] != behind, not first, axis))
        return [axis for *_, axis in sorted(able)]


Operands = list[Tensor | None]


class ShapeInference:
    """What nodes of one graph give, in either world: 0 at batch 1, 1 at batch GROWN."""

    def __init__(self, model: Any) -> None:
        self._opsets = list(model.opset_import)
        self._versions = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
        self._ir_version = model.ir_version

    @property
    def opset(self) -> int:
        return int(self._versions["ai.onnx"])

    def shapes(self, node: Any, operands: Operands, world: int) -> list[Found]:
        """Element type and shape of each result, by ONNX's shape inference; None where it cannot tell."""
        import onnx
        from onnx import helper, numpy_helper

        probe = onnx.NodeProto()
        probe.CopyFrom(node)
        probe.input[:] = [str(i) if name else "" for i, name in enumerate(node.input)]
        there = {str(i): operand for i, operand in enumerate(operands) if operand is not None}
        shapes = {name: operand.grown if world else operand.one for name, operand in there.items()}
        types = {name: helper.make_tensor_type_proto(there[name].element, shape) for name, shape in shapes.items()}
        data = {name: numpy_helper.from_array(x.values[world]) for name, x in there.items() if x.values is not None}
        try:
            schema = onnx.defs.get_schema(node.op_type, self._versions[node.domain or "ai.onnx"], node.domain)
            found = onnx.shape_inference.infer_node_outputs(
                schema, probe, types, data, opset_imports=self._opsets, ir_version=self._ir_version
            )
        except (KeyError, onnx.defs.SchemaError, onnx.shape_inference.InferenceError) as error:
            raise fixed(node, "cannot take more than one image, or is none that ONNX knows") from error
        return [_static(found[name]) if name in found else None for name in node.output]

    def values(self, node: Any, operands: Operands, world: int) -> list[Values] | None:
        """The results' values, if all that the node reads is known and ONNX's reference can compute them."""
        from onnx.reference import ReferenceEvaluator

        feeds = {}
        for name, operand in zip(node.input, operands, strict=True):
            if name and (operand is None or operand.values is None):
                return None
            if operand is not None and operand.values is not None:
                feeds[name] = operand.values[world]
        evaluator = ReferenceEvaluator(node, opsets={entry.domain: entry.version for entry in self._opsets})
        try:
            return [np.asarray(values) for values in evaluator.run(None, feeds)]
        except Exception:  # the border to ONNX's reference, each of whose operations raises what it will
            return None


def fixed(node: Any, why: str) -> FixedToItsBatchError:
    return FixedToItsBatchError(f"its {node.op_type} '{node.name or node.output[0]}' {why}")


def constant(element: int, shape: Shape, values: Values | None) -> Tensor:
    return Tensor(element=element, one=shape, grown=shape, values=None if values is None else (values, values))


def sizes_of(node: Any, operand: Tensor | None) -> Tensor | None:
    """What Shape or Size gives."""
    from onnx import TensorProto

    if operand is None:
        return None
    first, last = attribute_of(node, "start", 0), attribute_of(node, "end", None)
    both = [np.array(shape, np.int64)[first:last] for shape in (operand.one, operand.grown)]
    if node.op_type == "Size":
        both = [values.prod() for values in both]
    shape = both[0].shape
    return Tensor(element=TensorProto.INT64, one=shape, grown=shape, values=(both[0], both[1]))


def grown_shape(shape: Shape, axis: int) -> Shape:
    return tuple(size * GROWN if i == axis else size for i, size in enumerate(shape))


def _static(found: Any) -> Found:
    if not found.HasField("tensor_type") or not found.tensor_type.HasField("shape"):
        return None
    dims = found.tensor_type.shape.dim
    if any(not dim.HasField("dim_value") for dim in dims):
        return None
    return found.tensor_type.elem_type, tuple(dim.dim_value for dim in dims)


def are_small(shapes: Sequence[Found]) -> bool:
    return all(shape is not None and math.prod(shape[1]) <= SMALL for shape in shapes)


def attribute_of(node: Any, name: str, default: int | None) -> Any:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), default)
