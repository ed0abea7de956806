"""The step of reading that gives a graph its sizes: one image size, one batch, every tensor a shape of its own.

A DETR's postprocessor may ask for the size of each image too, to tell boxes in its pixels; it is told the size that the
model takes, so that it has one input and boxes are in the pixels of that.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....errors import ModelError
from ....spaces.tensors import inputs_of_graph
from ..batch_shapes import Tensors
from ..graph import drop_unread, replace_items

ImageSize = tuple[int, int]  # height and width in pixels


def fix_sizes(model: Any, imgsz: ImageSize | None, name: str) -> str | None:
    """Give a graph of any batch or image size a batch of 1 and one size; what is computed of sizes becomes constants.

    Args:
        model: an `onnx.ModelProto`; changed in place. One with no single image input is left as it is, but for a second
            input [1, 2] of width and height (`orig_target_sizes`), which becomes a constant.
        imgsz: height and width; where None, what the exporter noted.
        name: the model's, for sentences.

    Returns:
        What was done, for people; None if input and outputs have their sizes already.

    Raises:
        ModelError: no size is named, or another one than the graph has.
    """
    inputs = inputs_of_graph(model.graph)
    images = [value for value in inputs if len(value.type.tensor_type.shape.dim) == 4]
    asked = [value for value in inputs if _is_of_two(value)]
    if len(images) != 1 or len(asked) > 1 or len(inputs) != 1 + len(asked):
        return None
    (image,) = images
    dims = image.type.tensor_type.shape.dim
    told = [dim.dim_value if dim.dim_value > 0 else None for dim in dims]  # of a size that is not fixed, 0 or -1
    shape = [told[0] or 1, told[1] or 3, *_image_size(_noted(model), (told[2], told[3]), imgsz, name)]
    if told == shape and not asked and all(_is_static(output) for output in model.graph.output):
        return None
    _set_shape(image, shape)
    frozen = [_frozen(model.graph, value, (shape[3], shape[2])) for value in asked]
    tensors = _fold_sizes(model, image)
    for output in model.graph.output:
        if output.name in tensors.shapes:
            _set_shape(output, tensors.shapes[output.name])
    if tensors.misfits:
        node = tensors.misfits[0]
        raise ModelError(
            f"{name} cannot take images of {shape[2]} x {shape[3]} (height x width), since its {node.op_type} "
            f"'{node.name or node.output[0]}' does not fit them: set `imgsz` to multiples of 32."
        )
    _note(model, shape)
    done = [*frozen, *([] if told == shape else [f"it takes {shape} now"])]
    return ", ".join(done) or None


def add_batch_axis(model: Any) -> str | None:
    """Give outputs an axis of the batch, where an exporter left it out for a single image: labels [300].

    Returns:
        What was done, for people; None if they have one, as all have but of a model with an output of a single axis.
    """
    from onnx import helper, numpy_helper

    graph, inputs = model.graph, inputs_of_graph(model.graph)
    sizes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in graph.output}
    batches = {value.type.tensor_type.shape.dim[0].dim_value for value in inputs}
    if batches != {1} or not any(len(dims) == 1 and dims[0] > 1 for dims in sizes.values()):
        return None
    for value in graph.output:
        name, inner, shape = value.name, f"{value.name} of an image", [1, *sizes[value.name]]
        for node in graph.node:
            node.input[:] = [inner if tensor == name else tensor for tensor in node.input]
            node.output[:] = [inner if tensor == name else tensor for tensor in node.output]
        graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{name} shape"))
        graph.node.append(helper.make_node("Reshape", [inner, f"{name} shape"], [name], f"{name} of a batch"))
        _set_shape(value, shape)
    return "its outputs have an axis of the batch"


def _frozen(graph: Any, value: Any, size: tuple[int, int]) -> str:
    """Make an input of sizes the constant [[width, height]] of all images: boxes are then in the model's own pixels."""
    from onnx import helper, numpy_helper

    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    graph.initializer.append(numpy_helper.from_array(np.array([size], dtype), value.name))
    replace_items(graph.input, [each for each in graph.input if each.name != value.name])
    return f"its input {value.name} is always [{size[0]}, {size[1]}] (width, height)"


def _is_of_two(value: Any) -> bool:
    """Whether an input is two numbers for each image."""
    dims = value.type.tensor_type.shape.dim
    return len(dims) == 2 and dims[1].dim_value == 2


def _image_size(
    noted: ImageSize | None, fixed: tuple[int | None, int | None], asked: ImageSize | None, name: str
) -> ImageSize:
    """The size that the graph has; where it takes any, the one that is asked for or noted."""
    height, width = fixed
    if height and width and asked is None:
        return height, width
    found = asked or noted
    if found is None:
        raise ModelError(
            f"{name} takes images of any size: say which, by `imgsz: 640` in the study file ([480, 640] for height and "
            "width), or by --imgsz of `qpareto init`."
        )
    if (height or found[0], width or found[1]) != found:
        takes = " x ".join(str(size or "any") for size in fixed)
        raise ModelError(
            f"{name} takes images of {takes} (height x width), not of {found[0]} x {found[1]}: set `imgsz` to what it "
            "takes or leave it out, or export the model for that size."
        )
    return found


def _noted(model: Any) -> ImageSize | None:
    """What Ultralytics wrote as `imgsz`."""
    noted = next((entry.value for entry in model.metadata_props if entry.key == "imgsz"), "")
    try:
        height, width = ast.literal_eval(noted)
    except (SyntaxError, ValueError, TypeError):
        return None
    return int(height), int(width)


def _fold_sizes(model: Any, image: Any) -> Tensors:
    """Turn nodes whose few values depend on sizes alone into initializers; shapes that were noted are noted anew."""
    from onnx import helper, numpy_helper

    graph, tensors = model.graph, Tensors(model, image, image.type.tensor_type.shape.dim[0].dim_value)
    for node in graph.node:
        tensors.learn(node)
        known = [tensor for tensor in node.output if tensor in tensors.values]
        if node.op_type != "Constant" and len(known) == len(node.output):
            graph.initializer.extend(numpy_helper.from_array(tensors.values[tensor], tensor) for tensor in known)
            node.ClearField("output")  # and so it is read by nobody
    drop_unread(graph)
    del graph.value_info[:]
    made = (tensor for node in graph.node for tensor in node.output if tensor in tensors.shapes)
    graph.value_info.extend(
        helper.make_tensor_value_info(tensor, tensors.elements[tensor], tensors.shapes[tensor]) for tensor in made
    )
    return tensors


def _is_static(value: Any) -> bool:
    shape = value.type.tensor_type.shape
    return value.type.tensor_type.HasField("shape") and all(dim.dim_value > 0 for dim in shape.dim)


def _set_shape(value: Any, shape: Sequence[int]) -> None:
    from onnx import helper

    elements = value.type.tensor_type.elem_type
    value.type.CopyFrom(helper.make_tensor_type_proto(elements, list(shape)))


def _note(model: Any, shape: Sequence[int]) -> None:
    """Correct what Ultralytics' exporter noted, which its loader goes by."""
    for entry in model.metadata_props:
        if entry.key == "imgsz":
            entry.value = str(list(shape[2:]))
        elif entry.key == "batch":
            entry.value = str(shape[0])
        elif entry.key == "args":
            entry.value = entry.value.replace("'dynamic': True", "'dynamic': False")
