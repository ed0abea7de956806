"""The independent answer on quantization: plain calls of ModelOpt's own `quantize`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from qpareto.objectives.isolation.child import run_in_child
from qpareto.objectives.quantization.calibrate import CalibrationSet
from qpareto.objectives.tensors import tensor_from_pixels
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.model import DetectorModel


def quantize_plainly(model: Path, pixels: Path, size: int, method: str, folder: Path, exclude: list[str]) -> None:
    """A plain call of ModelOpt's, with all images at once; run in a child process."""
    from modelopt.onnx.quantization import quantize

    copy = folder / "m.onnx"
    shutil.copyfile(model, copy)
    quantize(
        str(copy),
        quantize_mode="int8",
        calibration_data={"images": tensor_from_pixels(np.load(pixels)[:size])},
        calibration_method=method,
        calibration_eps=["cpu"],
        high_precision_dtype="fp32",
        nodes_to_exclude=exclude,
        passes=[],
        output_path=str(folder / "q.onnx"),
    )


def own_graph(
    model: DetectorModel, images: CalibrationSet, choice: CalibrationChoice, folder: Path, exclude: tuple[str, ...] = ()
) -> Any:
    run_in_child(
        quantize_plainly,
        *(model.path, images.pixels, choice.size, choice.method, folder, list(exclude)),
        timeout_s=300,
        log_path=folder / "log",
    )
    return onnx.load(folder / "q.onnx")
