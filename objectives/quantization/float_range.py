"""What FP16 cannot hold: the tensors that ModelOpt's AutoCast leaves in FP32, decided once a model on a real image."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import QuantizationError
from ...spaces.masks import LayerMask
from ...spaces.model import DetectorModel
from ...spaces.tensors import types_of_tensors
from ..isolation.child import run_in_child
from ..store import Store, content_key
from ..tensors import tensor_from_pixels
from .calibrate import CalibrationSet, structure_of_model

RANGING = 1  # its version, see `content_key`
TIMEOUT_S = 600.0
DATA_MAX = 512.0  # AutoCast's own default: above it, a step of FP16 is 0.5


def tensors_beyond_half(model: DetectorModel, images: CalibrationSet, store: Store) -> tuple[str, ...]:
    """Tensors that are to stay FP32 where float layers run in FP16, in graph order.

    AutoCast runs the float model on the first calibration image, and keeps every node in FP32 that reads or writes a
    magnitude above `DATA_MAX`. A random image would not do: on it, other tensors are out of range.

    Raises:
        QuantizationError: AutoCast failed.
        DiskError: the cache cannot be written.
    """
    key = content_key(
        model=model.key,
        image=images.hashes[0],
        data_max=DATA_MAX,
        modelopt=version("nvidia-modelopt"),
        made_by=RANGING,
    )

    def fill(folder: Path) -> None:
        structure = structure_of_model(model, store)
        reference = structure.with_mask(LayerMask.none(structure.layers)).model
        scratch = folder / "scratch"
        scratch.mkdir()
        (scratch / "float.onnx").write_bytes(reference.SerializeToString())
        rows = np.load(images.pixels, mmap_mode="r")[np.zeros(model.input_shape[0], np.intp)]
        image: dict[str, Any] = {model.input_name: tensor_from_pixels(rows, model.preprocessing)}
        np.savez(scratch / "image.npz", **image)
        log_path = store.root / "logs" / f"float-range-{key}.log"
        names = run_in_child(tensors_kept_by_autocast, scratch, timeout_s=TIMEOUT_S, log_path=log_path)
        (folder / "tensors.json").write_text(json.dumps(names), encoding="utf-8")
        shutil.rmtree(scratch)

    return tuple(json.loads((store.make("float-range", key, fill) / "tensors.json").read_text(encoding="utf-8")))


def tensors_kept_by_autocast(scratch: Path) -> list[str]:
    """Run in a child process, since AutoCast brings torch: what stays FP32 of `float.onnx`, fed with `image.npz`."""
    import onnx
    from modelopt.onnx.autocast import convert_to_mixed_precision

    source = scratch / "float.onnx"
    try:
        converted = convert_to_mixed_precision(
            str(source),
            low_precision_type="fp16",
            keep_io_types=True,
            data_max=DATA_MAX,
            calibration_data=str(scratch / "image.npz"),
            providers=["cpu"],  # ModelOpt's defaults are mutable: never share its lists
            trt_plugins=[],
            trt_plugins_precision=[],
        )
    except Exception as error:  # the border to ModelOpt, which raises whatever it met
        raise QuantizationError(
            f"ModelOpt's AutoCast cannot cast this model to FP16 ({type(error).__name__}: {error}): "
            "set engine.range_guard=false to cast it without looking at ranges, or engine.float_type=fp32."
        ) from error
    types = types_of_tensors(converted)
    written = {tensor for node in converted.graph.node if node.op_type != "Cast" for tensor in node.output}
    kept = {tensor for tensor in written & types.keys() if types[tensor][0] == onnx.TensorProto.FLOAT}
    return [tensor for node in onnx.load(source).graph.node for tensor in node.output if tensor in kept]
