"""A model in files of at most 15 MiB, for where no large file can pass, and back to the same bytes.

Weights that FP16 holds exactly travel as FP16: `train.py --fp16-weights` makes all of them such, so half the bytes do.

    python studies/quickstart/parts.py split shapes-yolo11m.onnx       # shapes-yolo11m.onnx.part0, .part1, ...
    python studies/quickstart/parts.py join shapes-yolo11m.onnx        # from the parts beside it
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

PART_BYTES = 15 << 20
FEWEST_VALUES = 16  # of a tensor that is worth narrowing


def split(path: Path) -> list[Path]:
    """Write PATH.part0 and so on beside the model, which is itself written anew, as joining the parts will give it.

    Raises:
        ValueError: the model holds FP16 weights of its own.
    """
    carried = _recast(path.read_bytes(), _narrowed)
    path.write_bytes(_recast(carried, _widened))
    for stale in path.parent.glob(f"{path.name}.part*"):
        stale.unlink()
    parts = []
    for number, start in enumerate(range(0, len(carried), PART_BYTES)):
        parts.append(path.with_name(f"{path.name}.part{number}"))
        parts[-1].write_bytes(carried[start : start + PART_BYTES])
    return parts


def join(path: Path) -> None:
    """Write the model whose parts lie beside it.

    Raises:
        FileNotFoundError: there is no PATH.part0, or a part between two others is missing.
    """
    parts = [path.with_name(f"{path.name}.part{n}") for n in range(len(list(path.parent.glob(f"{path.name}.part*"))))]
    if not parts:
        raise FileNotFoundError(f"no {path.name}.part0 in {path.parent}: name the model whose parts lie there")
    path.write_bytes(_recast(b"".join(part.read_bytes() for part in parts), _widened))


def _recast(model: bytes, tensor: Callable[[onnx.TensorProto], onnx.TensorProto]) -> bytes:
    """The model with each of its initializers replaced."""
    proto = onnx.load_from_string(model)
    for initializer in proto.graph.initializer:
        initializer.CopyFrom(tensor(initializer))
    return proto.SerializeToString(deterministic=True)


def _narrowed(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """As FP16, where that loses nothing."""
    if tensor.data_type == onnx.TensorProto.FLOAT16:
        raise ValueError(f"{tensor.name} is FP16 already, and joining would make it FP32: split the FP32 model")
    values = numpy_helper.to_array(tensor)
    if tensor.data_type != onnx.TensorProto.FLOAT or values.size < FEWEST_VALUES:
        return tensor
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return numpy_helper.from_array(half, tensor.name) if np.array_equal(half, values) else tensor


def _widened(tensor: onnx.TensorProto) -> onnx.TensorProto:
    if tensor.data_type != onnx.TensorProto.FLOAT16:
        return tensor
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["split", "join"])
    parser.add_argument("model", type=Path, help="the .onnx file")
    arguments = parser.parse_args()
    if arguments.what == "split":
        for part in split(arguments.model):
            print(part)
    else:
        join(arguments.model)
        print(arguments.model)


if __name__ == "__main__":
    main()
