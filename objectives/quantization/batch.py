"""A graph of batch 1 given another batch, or one of another batch given 1: one calibration then serves every batch.

Every node that reads images is shown to ONNX's own shape inference at a large prime batch. What it gives then must be
that many times as large along one axis, which holds the batch. Where sizes are written down, as in the target of a
Reshape, they are written anew. A node whose result still does not grow is in the way, and named. What shapes cannot
show, that no node mixes images, is left to a run of the graph (`batch_proof.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ...spaces.tensors import Shape, inputs_of_graph
from .batch_shapes import Tensors

_GROWN = 1009  # the large batch: a prime, and no size in a network
_SIZES_AT = {"Reshape": 1, "Expand": 1, "Resize": 3}  # the operand that tells the result's sizes
_BY_NUMBER = {"GatherND", "ScatterND"}  # what addresses images by their number


def with_batch(model: Any, batch: int) -> Any:
    """The graph as it takes `batch` images at once, and gives for each what it gives for it alone.

    Args:
        model: an `onnx.ModelProto` with one static image input, float or with Q/DQ; left as it is, and returned as it
            is where it has that batch.
        batch: at least 1.

    Raises:
        ModelError: neither batch is 1, or some node is fixed to the graph's own.
    """
    import onnx

    (image,) = inputs_of_graph(model.graph)
    exported = image.type.tensor_type.shape.dim[0].dim_value
    if exported == batch:
        return model
    if 1 not in (exported, batch):
        why = f"it was exported for batch {exported}, and only a model of batch 1 can be given another"
        raise refusal(batch, exported, why)
    nodes = _Walk(model, image, batch).to_outputs()
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for field, values in ((changed.graph.node, nodes), (changed.graph.value_info, [])):
        del field[:]
        field.extend(values)
    for port in (*inputs_of_graph(changed.graph), *changed.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = batch
    for entry in changed.metadata_props:
        if entry.key == "batch":  # as Ultralytics' exporter writes it
            entry.value = str(batch)
    return changed


def refusal(batch: int, exported: int, why: str) -> ModelError:
    """What to raise of a model that cannot be given a batch.

    Args:
        exported: the batch that it has.
        why: a clause, whose subject is the model.
    """
    return ModelError(
        f"The model cannot be given engine.batch={batch}, since {why}: set engine.batch={exported}, or export it with "
        f"batch={batch}."
    )


class _Walk:
    """The way through a graph, on which nodes are told another batch.

    Args:
        image: its input.
    """

    def __init__(self, model: Any, image: Any, batch: int) -> None:
        self._graph, self._batch = model.graph, batch
        self._exported = image.type.tensor_type.shape.dim[0].dim_value
        self._one = Tensors(model, image, self._exported)
        self._grown = Tensors(model, image, self._exported * _GROWN)

    def to_outputs(self) -> list[Any]:
        """The nodes for the other batch.

        Raises:
            ModelError: what a node gives does not grow with the batch, or an output not along its first axis.
        """
        nodes = [told for node in self._graph.node for told in self._past(node)]
        for value in self._graph.output:
            if self._grown.shapes.get(value.name, ())[:1] != (self._exported * _GROWN,):
                why = f"its output '{value.name}' does not have the images along its first axis"
                raise refusal(self._batch, self._exported, why)
        return nodes

    def _past(self, node: Any) -> list[Any]:
        """What stands for a node at the other batch; its results are learnt."""
        self._one.learn(node)
        self._grown.learn(node)
        if node.op_type in ("Shape", "Size") or all(self._axis(tensor) is None for tensor in node.input):
            return [node]
        if node.op_type in _BY_NUMBER:
            raise self._fixed(node, "addresses images by their number")
        told, sizes_at = [node], _SIZES_AT.get(node.op_type, len(node.input))
        if node.op_type == "Gather":
            told = self._gathered_from_own_image(node)
        elif sizes_at < len(node.input):
            told = self._told_its_sizes(node, sizes_at)
        for tensor in filter(None, node.output):
            self._check(node, self._one.shapes.get(tensor), self._grown.shapes.get(tensor))
        return told

    def _check(self, node: Any, one: Shape | None, grown: Shape | None) -> None:
        if one is None or grown is None:
            images = "one image" if self._exported == 1 else f"{self._exported} images"
            raise self._fixed(node, f"cannot take more than {images}, or is none that ONNX knows")
        if grown not in [_times(one, axis, _GROWN) for axis in range(len(one))]:
            raise self._fixed(
                node, f"does not keep the images apart: what it gives at batch {self._exported} is {list(one)}"
            )

    def _fixed(self, node: Any, why: str) -> ModelError:
        return refusal(self._batch, self._exported, f"its {node.op_type} '{node.name or node.output[0]}' {why}")

    def _axis(self, tensor: str) -> int | None:
        """The one that holds the batch, image by image where it holds more than that; None also if nothing is known."""
        pairs = zip(self._one.shapes.get(tensor, ()), self._grown.shapes.get(tensor, ()), strict=False)
        return next((axis for axis, (one, grown) in enumerate(pairs) if one != grown), None)

    def _told_its_sizes(self, node: Any, place: int) -> list[Any]:
        """The node with its result's sizes, where those that it has do not grow."""
        (source, result), axis = (node.input[0], node.output[0]), self._axis(node.input[0])
        if axis is None or result not in self._one.shapes:
            return [node]
        before, one = self._one.shapes[source], self._one.shapes[result]
        if node.op_type == "Reshape":
            axis = _axis_behind(math.prod(before[:axis]), one)
        else:
            axis += len(one) - len(before)
        if axis is None:
            raise self._fixed(node, "mixes the images")
        wanted = _times(one, axis, _GROWN)
        if self._grown.shapes.get(result) == wanted:
            return [node]
        self._grown.elements[result], self._grown.shapes[result] = self._one.elements[result], wanted
        return self._with_operand(node, place, np.array(self._at_batch(one, axis), np.int64))

    def _at_batch(self, one: Shape, axis: int) -> Shape:
        return tuple(size * self._batch // self._exported if i == axis else size for i, size in enumerate(one))

    def _gathered_from_own_image(self, node: Any) -> list[Any]:
        """Where indices count the rows of one image along the batch: image i's are i times as many further on.

        So does YOLO26 find the classes of its best boxes, once an optimizer has flattened them.
        """
        data, indices = node.input
        held, along = self._axis(data), self._axis(indices)
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
        if held is None or along is None or axis % len(self._one.shapes[data]) != held:
            return [node]
        shape = self._one.shapes[indices]
        if self._exported > 1:
            raise self._fixed(node, "may count the rows of all images")
        image = np.repeat(np.arange(self._batch, dtype=np.int64), shape[along])
        offsets = (image * self._one.shapes[data][held]).reshape([-1 if i == along else 1 for i in range(len(shape))])
        return self._with_operand(node, 1, offsets, added=True)

    def _with_operand(self, node: Any, place: int, values: NDArray[np.int64], *, added: bool = False) -> list[Any]:
        """The node with another operand, which is these values, or what it was with these values added."""
        import onnx
        from onnx import helper, numpy_helper

        told = onnx.NodeProto()
        told.CopyFrom(node)
        name = f"{node.output[0]}/{'batch' if self._exported == 1 else 'single'}/{place}"
        told.input[place] = f"{name}/result" if added else name
        constant = numpy_helper.from_array(values, name)
        before = [helper.make_node("Constant", [], [name], f"{name}/Constant", value=constant)]
        if added:
            index = f"{name}/index"
            before += [
                helper.make_node("Cast", [node.input[place]], [index], f"{name}/Cast", to=onnx.TensorProto.INT64),
                helper.make_node("Add", [index, name], [told.input[place]], f"{name}/Add"),
            ]
        return [*before, told]


def _times(shape: Shape, axis: int, batch: int) -> Shape:
    return tuple(size * batch if i == axis else size for i, size in enumerate(shape))


def _axis_behind(count: int, shape: Shape) -> int | None:
    """The axis before which so many values lie: the first, of several that axes of size 1 leave."""
    return next((axis for axis in range(len(shape)) if math.prod(shape[:axis]) == count), None)
