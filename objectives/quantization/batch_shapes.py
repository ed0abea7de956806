"""A graph's tensors at one batch: types by ONNX's own inference, node by node, and the values that sizes come from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...spaces.tensors import Shape

SMALL = 64  # values that are followed: sizes, axes and scales, never weights


class Tensors:
    """What is known of tensors; nothing of one whose shape cannot be told.

    Args:
        model: an `onnx.ModelProto`.
        image: its input.
        batch: how many images that takes.

    Attributes:
        elements, shapes: ONNX's number of the element type, and the sizes, by tensor.
        values: of those whose few values depend on no image.
        misfits: nodes that cannot take what they are to read, in graph order.
    """

    def __init__(self, model: Any, image: Any, batch: int) -> None:
        from onnx import numpy_helper

        weights, self.misfits = model.graph.initializer, list[Any]()
        sizes = (dim.dim_value for dim in image.type.tensor_type.shape.dim[1:])
        self.elements = {one.name: one.data_type for one in weights} | {image.name: image.type.tensor_type.elem_type}
        self.shapes: dict[str, Shape] = {one.name: tuple(one.dims) for one in weights} | {image.name: (batch, *sizes)}
        self.values = {one.name: numpy_helper.to_array(one) for one in weights if math.prod(one.dims) <= SMALL}
        self._opsets = {entry.domain or "ai.onnx": entry for entry in model.opset_import}

    def learn(self, node: Any) -> None:
        """What a node gives, from what is known of what it reads."""
        for name, found in self._inferred(node).items():
            dims = found.tensor_type.shape.dim
            if found.tensor_type.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
                self.elements[name] = found.tensor_type.elem_type
                self.shapes[name] = tuple(dim.dim_value for dim in dims)
        shapes = [self.shapes.get(name) for name in node.output]
        if all(shape is not None and math.prod(shape) <= SMALL for shape in shapes):
            self.values |= self._computed(node)

    def _inferred(self, node: Any) -> dict[str, Any]:
        """Each result's `onnx.TypeProto`."""
        from onnx import defs, helper, numpy_helper, shape_inference

        known = [name for name in node.input if name in self.shapes]
        types = {name: helper.make_tensor_type_proto(self.elements[name], self.shapes[name]) for name in known}
        values = {name: numpy_helper.from_array(self.values[name]) for name in known if name in self.values}
        try:
            version = self._opsets[node.domain or "ai.onnx"].version
            schema = defs.get_schema(node.op_type, version, node.domain)
            opsets = list(self._opsets.values())
            return shape_inference.infer_node_outputs(schema, node, types, values, opset_imports=opsets)
        except shape_inference.InferenceError:
            self.misfits += [node] if len(known) == len([name for name in node.input if name]) else []
        except (KeyError, defs.SchemaError):
            pass
        return {}

    def _computed(self, node: Any) -> dict[str, NDArray[Any]]:
        """Each result's values, if all that the node reads is known and ONNX's reference can compute them."""
        from onnx.reference import ReferenceEvaluator

        feeds = {name: self.values[name] for name in node.input if name in self.values}
        if node.op_type in ("Shape", "Size"):
            feeds[node.input[0]] = np.broadcast_to(np.float32(0), self.shapes[node.input[0]])  # takes no memory
        if any(name and name not in feeds for name in node.input):
            return {}
        evaluator = ReferenceEvaluator(node, opsets={name: entry.version for name, entry in self._opsets.items()})
        try:
            return dict(zip(node.output, map(np.asarray, evaluator.run(None, feeds)), strict=True))
        except Exception:  # the border to ONNX's reference, each of whose operations raises what it will
            return {}
