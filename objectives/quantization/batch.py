"""A graph of batch 1 given another batch: what one calibration found then serves every batch."""

from __future__ import annotations

from typing import Any

from ...errors import ModelError
from .batch_places import Change, places_of_batch
from .batch_shapes import FixedToItsBatchError


def with_batch(model: Any, batch: int) -> Any:
    """The graph as it takes `batch` images at once, and gives for each what it gives for it alone.

    Args:
        model: an `onnx.ModelProto` with one static image input, float or with Q/DQ; left as it is, and returned as it
            is where it has that batch.
        batch: at least 1.

    Raises:
        ModelError: the graph has a batch of its own that is not 1, or some node is fixed to one image.
    """
    import onnx

    constants = {weight.name for weight in model.graph.initializer}
    (image,) = (value for value in model.graph.input if value.name not in constants)
    exported = image.type.tensor_type.shape.dim[0].dim_value
    if exported == batch:
        return model
    try:
        if exported != 1:
            raise FixedToItsBatchError(
                f"it was exported for batch {exported}, and only a model of batch 1 can be given another"
            )
        changes, outputs = places_of_batch(model, image.name)
    except FixedToItsBatchError as fixed:
        raise refusal(batch, exported, str(fixed)) from fixed
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.value_info[:]
    for port in changed.graph.input:
        if port.name == image.name:
            _set_shape(port, [batch, *(dim.dim_value for dim in image.type.tensor_type.shape.dim[1:])])
    for port in changed.graph.output:
        _set_shape(port, [batch, *outputs[port.name].one[1:]])
    for change in reversed(changes):  # from the last node to the first, so that places stay what they are
        _apply(change, changed.graph, batch)
    for entry in changed.metadata_props:
        if entry.key == "batch":  # as Ultralytics' exporter writes it
            entry.value = str(batch)
    return changed


def refusal(batch: int, exported: int, why: str) -> ModelError:
    """What to raise of a model that cannot be given a batch.

    Args:
        exported: the batch that it has.
        why: a clause.
    """
    return ModelError(
        f"The model cannot be given engine.batch={batch}, since {why}: set engine.batch={exported}, or export it with "
        f"batch={batch}."
    )


def _set_shape(port: Any, sizes: list[int]) -> None:
    shape = port.type.tensor_type.shape
    del shape.dim[:]
    for size in sizes:
        shape.dim.add().dim_value = size


def _apply(change: Change, graph: Any, batch: int) -> None:
    """Put the constant that an operand becomes, or is combined with, before the node that reads it."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    node = graph.node[change.node]
    operand = node.input[change.operand]
    name = f"{node.output[0]}/batch/{change.operand}"
    shape = change.shape(batch)
    values = np.array(shape, np.int64)
    added = []
    if change.kind == "offset":
        values = (np.arange(batch, dtype=np.int64) * change.step).reshape(shape)
        added = [
            helper.make_node("Cast", [operand], [f"{name}/index"], f"{name}/Cast", to=TensorProto.INT64),
            helper.make_node("Add", [f"{name}/index", name], [f"{name}/result"], f"{name}/Add"),
        ]
    elif change.kind == "repeat":
        added = [helper.make_node("Expand", [operand, name], [f"{name}/result"], f"{name}/Expand")]
    node.input[change.operand] = added[-1].output[0] if added else name
    constant = helper.make_node("Constant", [], [name], f"{name}/Constant", value=numpy_helper.from_array(values, name))
    for new in reversed([constant, *added]):
        graph.node.insert(change.node, new)
