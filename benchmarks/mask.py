"""A mask applied to a calibrated model, against a call of ModelOpt's `quantize` for the same mask.

python benchmarks/mask.py MODEL.onnx [--masks N] [--calls N]
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from qpareto.objectives.quantization.apply_mask import CalibratedModel
from qpareto.objectives.quantization.calibrate import structure_of_model
from qpareto.objectives.store import Store
from qpareto.objectives.tensors import tensor_from_pixels
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import DetectorModel, read_model
from table import print_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--masks", type=int, default=50)
    parser.add_argument("--calls", type=int, default=5)
    options = parser.parse_args()
    model = read_model(options.model)
    with tempfile.TemporaryDirectory() as folder:
        calibrated = structure_of_model(model, Store(Path(folder)))
        draw = random.Random(0)
        masks = [
            LayerMask.from_names(calibrated.layers, [x for x in calibrated.layers if draw.random() < 0.5])
            for _ in range(options.masks)
        ]
        _quantize(model, masks[0], Path(folder))  # its imports take seconds: not counted
        seconds = {
            "quantize, 1 image": [_quantize(model, mask, Path(folder)) for mask in masks[: options.calls]],
            "mask applied, checked, hashed": [_apply(calibrated, mask) for mask in masks],
        }
    print_table(f"One random mask of {model.path.name}", seconds, baseline="quantize, 1 image")


def _apply(calibrated: CalibratedModel, mask: LayerMask) -> float:
    start = time.perf_counter()
    calibrated.with_mask(mask)
    return time.perf_counter() - start


def _quantize(model: DetectorModel, mask: LayerMask, folder: Path) -> float:
    from modelopt.onnx.quantization import quantize

    copy = folder / "model.onnx"
    shutil.copyfile(model.path, copy)
    _, _, height, width = model.input_shape
    image = tensor_from_pixels(np.full((1, height, width, 3), 114, np.uint8))
    start = time.perf_counter()
    quantize(
        str(copy),
        quantize_mode="int8",
        calibration_data={model.input_name: image},
        calibration_method="max",
        calibration_eps=["cpu"],
        high_precision_dtype="fp32",
        nodes_to_exclude=[f"^{re.escape(name)}$" for name in mask.layers if name not in mask],
        passes=[],
        output_path=str(folder / "quantized.onnx"),
        log_level="ERROR",
    )
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
