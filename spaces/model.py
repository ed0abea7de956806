"""The detector that a study quantizes: one ONNX file, its single image input, its outputs, its metadata."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .preprocessing import USUAL, Preprocessing
from .tensors import inputs_of_graph


@dataclass(frozen=True, kw_only=True)
class DetectorModel:
    """What is known of a model without running it."""

    path: Path
    content_hash: str  # SHA-256 of the file, 32 hex digits; of what it was made from, where it had to be changed
    input_name: str
    input_shape: tuple[int, int, int, int]  # batch, 3, height, width
    output_shapes: tuple[tuple[int, ...], ...]  # in graph order
    metadata: Mapping[str, str]  # what the exporter left: names, stride, task, ...
    exported_batch: int = 1  # that of the file: where it could be given batch 1, it was
    preprocessing: Preprocessing = USUAL

    @property
    def key(self) -> str:
        """Of what the model makes of an image: the content hash, where images are prepared as usual."""
        return self.preprocessing.marks(self.content_hash)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names by class index, if the exporter wrote them (`names` as Ultralytics does)."""
        try:
            names = ast.literal_eval(self.metadata.get("names", ""))
        except (SyntaxError, ValueError):
            return None
        return tuple(str(names[i]) for i in sorted(names)) if isinstance(names, dict) else None


def read_model(path: Path) -> DetectorModel:
    """Read an ONNX detector and check that it is one that can be searched.

    What people have is read by `model_of_file`, which makes it such a one.

    Raises:
        ModelError: as `load_onnx` and `described`.
    """
    return described(load_onnx(path), path, content_hash=hashlib.sha256(path.read_bytes()).hexdigest()[:32])


def described(model: Any, path: Path, *, content_hash: str) -> DetectorModel:
    """What an `onnx.ModelProto` tells of itself.

    Args:
        path: where it lies.

    Raises:
        ModelError: its input is not one static float32 [batch, 3, height, width]; its outputs are not static.
    """
    from onnx import TensorProto

    inputs = inputs_of_graph(model.graph)
    if len(inputs) != 1:
        named = ", ".join(value.name for value in inputs)
        raise ModelError(
            f"{path.name} has {len(inputs)} inputs ({named}), but qpareto feeds one, the images: export it without the "
            "postprocessor that takes the other (a DETR with its logits and boxes as outputs)."
        )
    shape = _static_shape(inputs[0], path)
    if len(shape) != 4 or shape[1] != 3 or min(shape) < 1:
        raise ModelError(
            f"{path.name} takes an input of shape {list(shape)}, but qpareto needs [batch, 3, height, width]: export a "
            "detector that takes RGB images, channels first."
        )
    if (elements := inputs[0].type.tensor_type.elem_type) != TensorProto.FLOAT:
        raise ModelError(
            f"{path.name} takes {TensorProto.DataType.Name(elements)} images, but qpareto feeds FLOAT from 0 to 1: "
            "export it without its preprocessing."
        )
    return DetectorModel(
        path=path,
        content_hash=content_hash,
        input_name=inputs[0].name,
        input_shape=(shape[0], shape[1], shape[2], shape[3]),
        output_shapes=tuple(_static_shape(output, path) for output in model.graph.output),
        metadata={entry.key: entry.value for entry in model.metadata_props},
        exported_batch=shape[0],
    )


def load_onnx(path: Path) -> Any:
    """The `onnx.ModelProto` in a file, checked to be one.

    Raises:
        ModelError: the file is missing, truncated or not ONNX.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise ModelError(f"There is no model at {path}: name an .onnx file, or a .pt that Ultralytics can export.")
    try:
        graph = onnx.load(path)
        onnx.checker.check_model(graph)
    except (DecodeError, onnx.checker.ValidationError, OSError) as error:
        raise unreadable(path, error) from error
    return graph


def unreadable(path: Path, error: Exception) -> ModelError:
    """What to raise of a file that ONNX cannot read."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ModelError(f"{path} is not a readable ONNX model ({reason}): export or download it again.")


def _static_shape(value: Any, path: Path) -> tuple[int, ...]:
    dims = value.type.tensor_type.shape.dim
    if any(not d.HasField("dim_value") for d in dims):
        named = [d.dim_param or "?" if not d.HasField("dim_value") else d.dim_value for d in dims]
        raise ModelError(
            f"'{value.name}' of {path.name} has the shape {named}, which depends on the image, but an engine is built "
            "for one shape: export it without NMS (nms=False), with dynamic=False."
        )
    return tuple(d.dim_value for d in dims)
