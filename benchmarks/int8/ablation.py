"""What each part of INT8 is worth: mAP50-95 less that of float, all layers in INT8, on both sets of images.

python benchmarks/int8/ablation.py STUDY.yaml [--rows "as it is" "weights by least squares" ...] [--set KEY=VALUE]

Every row but NNCF's is `asymmetric` with corrected biases, changed in one thing; biases are corrected anew. NNCF's rows
want `pip install nncf`; NNCF gets the same images, and its head's decoding stays float as in its own example. Nothing
is timed, so other programs may run meanwhile. What was built and scored before is found in the cache.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from all_layers import change_of
from composed import composed_operands
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.quantization.apply_mask import CalibratedModel
from qpareto.objectives.quantization.bias import IMAGES, shifts_of_layers
from qpareto.objectives.quantization.calibrate import CalibrationFeeds, calibrated_model
from qpareto.objectives.quantization.graph import QUANTIZE, QdqGraph
from qpareto.objectives.score import Scorer
from qpareto.objectives.store import content_key
from qpareto.objectives.tensors import tensor_from_pixels
from qpareto.search.run.prepare import confirming, scorer_of_spec
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.masks import LayerMask

Floats = NDArray[np.float32]
Change = Callable[[Scorer, Any], None]  # of an onnx.ModelProto with every layer in INT8, in place
COMPOSED_OF = ("asymmetric", "mse", "entropy", "max")


def nothing(_: Scorer, __: Any) -> None:
    """The default, as it is."""


def least_squares_weights(_: Scorer, model: Any) -> None:
    """Each channel's scale the one that loses least of its weights in squares, of 81 from 0.6 to 1 of the usual one."""
    from onnx import numpy_helper

    graph = QdqGraph(model)
    for node in graph.nodes:
        if node.op_type == QUANTIZE and node.input[0] in graph.initializers:
            weight, scale = (numpy_helper.to_array(graph.initializers[name]) for name in node.input[:2])
            axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
            found = least_squares_scales(np.moveaxis(weight, axis, 0) if scale.ndim else weight[None], scale)
            graph.initializers[node.input[1]].CopyFrom(numpy_helper.from_array(found, node.input[1]))


def least_squares_scales(weight: Floats, scale: Floats) -> Floats:
    """The scales, of the same shape, for a weight with its channels first."""
    rows = weight.reshape(len(weight), -1)
    tried = np.linspace(0.6, 1, 81, dtype=np.float32)[:, None] * scale.reshape(1, -1)
    errors = [((rows - np.clip(np.round(rows / s[:, None]), -128, 127) * s[:, None]) ** 2).sum(axis=1) for s in tried]
    best = np.argmin(errors, axis=0)
    return np.take_along_axis(tried, best[None], axis=0).reshape(scale.shape)


def composed(scorer: Scorer, model: Any) -> None:
    """Each activation's bytes by the method whose rounding moves the outputs of the layers behind least."""
    from onnx import numpy_helper

    size = len(scorer.calibration.hashes)
    graphs = [
        calibrated_model(scorer.model, scorer.calibration, CalibrationChoice(method, size), scorer.store).graph.model
        for method in COMPOSED_OF
    ]
    feeds = CalibrationFeeds.of_model(scorer.model, scorer.calibration.pixels, count=8)
    operands = composed_operands(graphs, feeds)
    graph = QdqGraph(model)
    for node in graph.nodes:
        if node.op_type == QUANTIZE and node.input[0] in operands:
            names = [f"{node.input[0]} composed {what}" for what in ("scale", "zero")]
            for one in [node, *graph.readers[node.output[0]]]:
                del one.input[1:]
                one.input.extend(names)
            held = {weight.name for weight in model.graph.initializer}
            pairs = zip(operands[node.input[0]], names, strict=True)
            model.graph.initializer.extend(numpy_helper.from_array(*pair) for pair in pairs if pair[1] not in held)
    del model.graph.value_info[:]


def engine_of_change(change: Change, scorer: Scorer, *, method: str = "asymmetric", bias: bool = True) -> EngineRef:
    import onnx

    choice = CalibrationChoice(method, len(scorer.calibration.hashes))
    model = onnx.ModelProto()
    model.CopyFrom(calibrated_model(scorer.model, scorer.calibration, choice, scorer.store).graph.model)
    change(scorer, model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changed.onnx"
        onnx.save(model, path)
        feeds = CalibrationFeeds.of_model(scorer.model, scorer.calibration.pixels, count=IMAGES)
        shifts = shifts_of_layers(path, feeds) if bias else {}
        changed = CalibratedModel(path, shifts=shifts)
        return scorer.engine(changed.with_mask(LayerMask.all(changed.layers)))


def engine_of_nncf(scorer: Scorer, *, preset: str, bias: bool = True, ranges: str = "MEAN_MINMAX") -> EngineRef:
    """By NNCF, activations' ranges by one of its `RangeEstimatorParametersSet`; the default is NNCF's."""
    asked: dict[str, Any] = {"preset": preset, "bias": bias, "ranges": ranges, "images": scorer.calibration.hashes}
    key = content_key(reference=scorer.reference().name, nncf=version("nncf"), **asked)

    def fill(folder: Path) -> None:
        with redirect_stdout(sys.stderr):
            _quantize_by_nncf(scorer, folder, preset=preset, bias=bias, ranges=ranges)

    return EngineRef(scorer.store.make("ablation", key, fill), scorer.options)


def _quantize_by_nncf(scorer: Scorer, folder: Path, *, preset: str, bias: bool, ranges: str) -> None:
    os.environ["NNCF_CI"] = "1"  # or it sends usage data over the network
    sys.path.append(str(Path(__file__).resolve().parents[1] / "search"))
    import nncf
    import openvino
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    from nncf_engine import float_scope

    model = openvino.Core().read_model(scorer.reference().folder / "engine.xml")
    pixels = np.load(scorer.calibration.pixels, mmap_mode="r")
    quantized = nncf.quantize(
        model,
        nncf.Dataset(range(len(pixels)), lambda row: tensor_from_pixels(pixels[row : row + 1])),
        preset=nncf.QuantizationPreset(preset),
        subset_size=len(scorer.calibration.hashes),
        ignored_scope=nncf.IgnoredScope(**float_scope(model, scorer.layers[-1].block)),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            disable_bias_correction=not bias,
            activations_range_estimator_params=getattr(RangeEstimatorParametersSet, ranges),
        ),
    )
    openvino.save_model(quantized, folder / "engine.xml", compress_to_fp16=False)


Row = Callable[[Scorer], EngineRef]
ROWS: Mapping[str, Row] = {
    "as it is": partial(engine_of_change, nothing),
    "biases as they were": partial(engine_of_change, nothing, bias=False),
    "weights by least squares": partial(engine_of_change, least_squares_weights),
    "composed ranges": partial(engine_of_change, composed),
    "`mse`": partial(engine_of_change, nothing, method="mse"),
    "NNCF, performance": partial(engine_of_nncf, preset="performance"),
    "NNCF, mixed": partial(engine_of_nncf, preset="mixed"),
    "NNCF, mixed, biases as they were": partial(engine_of_nncf, preset="mixed", bias=False),
    "NNCF, mixed, smallest and largest of all": partial(engine_of_nncf, preset="mixed", ranges="MINMAX"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--set", nargs="+", default=[], dest="overrides")
    options = parser.parse_args()
    spec = load_study_file(options.study, options.overrides)
    searched = scorer_of_spec(spec, calibration_size=max(spec.space.calibration.sizes))
    scorers = [searched] + ([] if spec.data.confirm is None else [replace(confirming(spec, searched), build=0)])
    print(f"| {spec.model.name} |", " | ".join(f"{len(scorer.images)} images" for scorer in scorers), "|")
    print("| --- |", " | ".join("---" for _ in scorers), "|", flush=True)
    for row in options.rows:
        engine = ROWS[row](searched)
        print(f"| {row} |", " | ".join(change_of(engine, scorer) for scorer in scorers), "|", flush=True)


if __name__ == "__main__":
    main()
