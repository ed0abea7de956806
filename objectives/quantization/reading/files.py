"""An ONNX file with the files that its weights lie in, and what of it tells that it is no float model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ....errors import ModelError
from ....spaces.model import unreadable
from ....spaces.tensors import tensors_within

_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")
_QUANTIZED_PREFIXES = ("QLinear", "QGemm", "QAttention", "DynamicQuantize")


def load_with_data(path: Path) -> tuple[Any, tuple[Path, ...]]:
    """The `onnx.ModelProto` in a file, its weights in it wherever they lie, and the files that they lie in, sorted.

    Raises:
        ModelError: the file is missing or not ONNX, or a file of its weights is missing or too short.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise ModelError(f"There is no model at {path}: name an .onnx file, or a .pt that Ultralytics can export.")
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise unreadable(path, error) from error
    outside = [tensor for tensor in tensors_within(model.graph) if tensor.data_location == onnx.TensorProto.EXTERNAL]
    told = [{entry.key: entry.value for entry in tensor.external_data} for tensor in outside]
    files = {each["location"]: _data_file(path, each["location"]) for each in told}
    for tensor, each in zip(outside, told, strict=True):
        start, length = int(each.get("offset", 0)), int(each.get("length", -1))
        with files[each["location"]].open("rb") as stream:
            stream.seek(start)
            tensor.raw_data = stream.read(length)
        if len(tensor.raw_data) < length:
            raise ModelError(f"{each['location']}, with the weights of {path.name}, is cut off: copy both files again.")
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
    return model, tuple(files[name] for name in sorted(files))


def _data_file(path: Path, location: str) -> Path:
    """Beside the model, or beside what its link leads to."""
    inside = not Path(location).is_absolute() and ".." not in Path(location).parts
    for folder in (path.parent, path.resolve().parent):
        if inside and (folder / location).is_file():
            return folder / location
    raise ModelError(
        f"The weights of {path.name} lie in {location}, which is not in {path.parent}: put it there, or export the "
        "model as one file."
    )


def refuse_quantized(model: Any, path: Path) -> None:
    """Refuse a graph that somebody has quantized: what is searched starts from float.

    Raises:
        ModelError: it is one.
    """
    ops = Counter(node.op_type for node in model.graph.node)
    found = {op: n for op, n in ops.most_common() if op in _QUANTIZED or op.startswith(_QUANTIZED_PREFIXES)}
    if found:
        nodes = ", ".join(f"{count} {op}" for op, count in found.items())
        raise ModelError(f"{path.name} is already quantized ({nodes}): name the float model that it was made from.")
