"""The graph as a TensorRT's parser is to get it, and what it said when it refused one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import EngineError
from ..options import HalfOptions
from .typing import Typing

if TYPE_CHECKING:
    import tensorrt


def graph_of_onnx(onnx_path: Path, options: HalfOptions, typing: Typing) -> Any:
    """The onnx.ModelProto to be parsed.

    Raises:
        EngineError: the file is no ONNX, has another batch, or cannot be brought into the form that is needed.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(onnx_path)
    except DecodeError as error:
        raise EngineError(f"{onnx_path.name} is no ONNX model ({error}).") from error
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    if batch != options.batch:
        raise EngineError(
            f"{onnx_path.name} was exported for batch {batch} and cannot run batch {options.batch}: "
            f"export it with batch={options.batch}."
        )
    try:
        return typing.graph(model, options)
    except ValueError as error:
        raise EngineError(f"{onnx_path.name} cannot be built {error}.") from error


def parser_reason(parser: tensorrt.OnnxParser, model: Any) -> str:
    """The first error as a part of a sentence, with the node where it was."""
    if not parser.num_errors:
        return "its parser does not say why"
    error = parser.get_error(0)
    number = error.node()  # older parsers tell no name
    nodes = model.graph.node
    where = f" at node {nodes[number].name} ({nodes[number].op_type})" if 0 <= number < len(nodes) else ""
    return f"{error.desc().strip().splitlines()[0].rstrip('.')[:300]}{where}"
