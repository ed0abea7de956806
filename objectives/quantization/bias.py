"""Bias correction: the shift that INT8 gives a layer's output, channel by channel, taken back in the layer's bias.

Rounding does not move a layer's output evenly: weights and activations are cut off at one end, and activations behind
SiLU lie on one side of 0, so that the mean of each output channel moves. What it moves by when only the layer's own
operands are rounded is a constant of the layer and of the calibration choice, measured once on calibration images with
float inputs, and added to the bias exactly where a mask makes the layer INT8. This is 'empirical bias correction'
(Nagel et al., 'Data-Free Quantization Through Weight Equalization and Bias Correction', ICCV 2019, section 4.2), as
NNCF's fast bias correction does it, which takes its layers' inputs from the float model too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .apply_mask import CalibratedModel
from .graph import DEQUANTIZE, QUANTIZE
from .variants import GraphTensors

SHIFTING = 1  # its version, see `content_key`
IMAGES = 32  # that shifts are the mean of; a mean over all positions of a channel needs few
WITH_BIAS = ("Conv", "ConvTranspose", "Gemm")


def shifts_of_layers(calibrated: Path, feeds: Iterable[Mapping[str, NDArray[np.float32]]]) -> dict[str, NDArray[Any]]:
    """What to add to the bias of each layer when it is INT8: float32 [channels], by name.

    Layers without a constant weight, such as the products of an attention, have no bias and are left out.

    Args:
        calibrated: a Q/DQ graph of ModelOpt's, with every layer in INT8.
        feeds: inputs of the model, read once, one held at a time.
    """
    both, means = _beside_float(CalibratedModel(calibrated))
    tensors = GraphTensors(both, set(means.values()))
    sums: dict[str, NDArray[Any]] = {}
    count = 0
    for found in map(tensors.run, feeds):
        count += 1
        for layer, mean in means.items():
            shift = found[mean].reshape(*found[mean].shape[:2]).mean(axis=0, dtype=np.float64)
            sums[layer] = sums.get(layer, 0.0) + shift
    return {layer: (total / count).astype(np.float32) for layer, total in sums.items()}


def _beside_float(calibrated: CalibratedModel) -> tuple[Any, dict[str, str]]:
    """The float model with each layer computed in INT8 beside itself, from the same float input.

    Returns:
        onnx.ModelProto, and by layer the tensor of its float output less that one, [batch, channels, 1 ...].
    """
    import onnx

    graph = calibrated.graph
    both = onnx.ModelProto()
    both.CopyFrom(graph.model)
    means = {}
    for node in list(both.graph.node):
        if node.op_type in (QUANTIZE, DEQUANTIZE):
            continue
        quantized = onnx.NodeProto()
        quantized.CopyFrom(node)
        graph.read_floats(node)
        if node.name in calibrated.layers and node.op_type in WITH_BIAS and node.input[1] in graph.initializers:
            means[node.name] = f"{node.name} shift"
            both.graph.node.extend(_difference(node, quantized, to=means[node.name]))
    return both, means


def _difference(node: Any, quantized: Any, *, to: str) -> list[Any]:
    """Nodes that compute the quantized twin, and by how much the mean of each of its channels is too small."""
    from onnx import helper

    quantized.name, quantized.output[0] = f"{to} INT8", f"{to} INT8"
    apart = f"{to} everywhere"
    less = helper.make_node("Sub", [node.output[0], quantized.output[0]], [apart], name=apart)
    mean = "GlobalAveragePool" if node.op_type != "Gemm" else "Identity"
    return [quantized, less, helper.make_node(mean, [apart], [to], name=to)]
