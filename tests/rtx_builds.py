"""Builds by TensorRT for RTX in a process of their own: it builds for one kind of GPU at a time in a process."""

from __future__ import annotations

from pathlib import Path

from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.tensorrt.rtx import RtxOptions
from qpareto.objectives.quantization.calibrate import structure_of_model
from qpareto.objectives.store import Store
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import read_model


def plan_sizes(model: Path, words: list[str], capability: str, store: Store, folder: Path) -> list[int]:
    """Bytes of the FP16 engine of each mask, given by its word."""
    folder.mkdir()
    structure = structure_of_model(read_model(model), store)
    kind, options = engine_kind("tensorrt_rtx"), RtxOptions(float_type="fp16", capability=capability)
    sizes = []
    for word in words:
        quantized = structure.with_mask(LayerMask.from_word(structure.layers, word))
        (folder / "quantized.onnx").write_bytes(quantized.model.SerializeToString())
        kind.build(folder / "quantized.onnx", folder, options)
        sizes.append((folder / "engine.plan").stat().st_size)
    return sizes
