"""A graph lowered to an older opset, for parsers that read newer operators wrongly and say nothing.

TensorRT 8.x's parser knows the operators of opset 17. It takes a newer graph without a word, and then a `ReduceMax` of
opset 18, whose axes are an input, reduces over all axes. ONNX's own version converter has no way down for `Split`,
which every graph of ModelOpt's holds at opset 19. So the operators' schemas say here what is older: an operator that
has not changed since is left as it is, what a newer form merely adds is taken away if it says nothing, and axes that
became an input become an attribute again. Anything else is refused.
"""

from __future__ import annotations

from typing import Any

from ....spaces.tensors import Shape, constants_of_graph, types_of_tensors

_DOMAINS = ("", "ai.onnx")
_COUNTS_OUTPUTS = "num_outputs"  # of Split, which a node shows anyway


def at_opset(model: Any, version: int) -> Any:
    """A copy of the graph in operators of that opset, checked by ONNX; a graph of an older opset is copied as it is.

    Args:
        model: onnx.ModelProto with static shapes.

    Raises:
        ValueError: an operator cannot be said in that opset; names the node.
    """
    import onnx

    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    entry = next(one for one in lowered.opset_import if one.domain in _DOMAINS)
    if entry.version <= version:
        return lowered
    constants = constants_of_graph(lowered.graph)
    shapes = _shapes(lowered)
    for node in lowered.graph.node:
        if node.domain in _DOMAINS:
            _lower(node, entry.version, version, constants)
            _refuse_unequal_parts(node, shapes)
    entry.version = version
    if _shapes(lowered) != shapes:
        raise ValueError(f"its shapes are others in opset {version}")
    onnx.checker.check_model(lowered)
    return lowered


def with_kernel_shapes(model: Any) -> Any:
    """The same graph, whose convolutions all tell the shape of their kernel, which ONNX leaves to be found."""
    import onnx

    shapes = _shapes(model)
    for node in model.graph.node:
        told = {attribute.name for attribute in node.attribute}
        if node.op_type in ("Conv", "ConvTranspose") and "kernel_shape" not in told and node.input[1] in shapes:
            node.attribute.append(onnx.helper.make_attribute("kernel_shape", shapes[node.input[1]][2:]))
    return model


def _lower(node: Any, newer: int, older: int, constants: dict[str, Any]) -> None:
    import onnx

    try:
        old = onnx.defs.get_schema(node.op_type, older, "")
    except onnx.defs.SchemaError as error:
        raise ValueError(f"'{node.name}' is a {node.op_type}, which opset {older} does not have") from error
    new = onnx.defs.get_schema(node.op_type, newer, "")
    if new.since_version == old.since_version:
        return
    if len(node.input) == 2 and "axes" in old.attributes and "axes" not in new.attributes:
        _take_axes_back(node, older, constants)
    what = f"'{node.name}' ({node.op_type})"
    if len(node.input) > old.max_input:
        raise ValueError(f"{what} has {len(node.input)} inputs, and {old.max_input} at most in opset {older}")
    for attribute in [one for one in node.attribute if one.name not in old.attributes]:
        if not _says_nothing(attribute, new, node):
            raise ValueError(f"{what} has the attribute '{attribute.name}', which opset {older} does not know")
        node.attribute.remove(attribute)


def _refuse_unequal_parts(node: Any, shapes: dict[str, Shape]) -> None:
    """Without sizes, an older Split makes equal parts only."""
    if node.op_type == "Split" and len(node.input) == 1 and len({shapes.get(part) for part in node.output}) > 1:
        raise ValueError(f"'{node.name}' (Split) makes unequal parts without naming their sizes")


def _take_axes_back(node: Any, older: int, constants: dict[str, Any]) -> None:
    """Axes as the attribute that they were; axes that are not there mean all, or none by `noop_with_empty_axes`."""
    import onnx

    if node.input[1] not in constants:
        raise ValueError(f"'{node.name}' ({node.op_type}) computes its axes, which opset {older} wants to be constant")
    axes = onnx.numpy_helper.to_array(constants[node.input[1]]).ravel().tolist()
    if axes:
        node.attribute.append(onnx.helper.make_attribute("axes", axes))
    del node.input[1]


def _says_nothing(attribute: Any, schema: Any, node: Any) -> bool:
    """Whether leaving it out changes nothing: it has its default, or counts the node's outputs."""
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    if attribute.name == _COUNTS_OUTPUTS:
        return bool(value == len(node.output))
    default = schema.attributes[attribute.name].default_value
    return default.type != onnx.AttributeProto.UNDEFINED and bool(value == onnx.helper.get_attribute_value(default))


def _shapes(model: Any) -> dict[str, Shape]:
    """Of every tensor whose shape ONNX can tell from the inputs'."""
    import onnx

    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    return {name: shape for name, (_, shape) in types_of_tensors(bare).items()}
