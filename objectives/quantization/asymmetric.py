"""Asymmetric activations: unsigned bytes with a zero point, so that a tensor of few negative values keeps its steps.

What comes out of SiLU lies between -0.28 and some number of several units, yet symmetric INT8 spends half of its steps
below 0. With a zero point all 255 steps lie between the smallest and the largest value. Ranges are the means, over
calibration images, of each image's smallest and largest value, as NNCF's default estimator has them (`mean_min_max`;
Krishnamoorthi, 'Quantizing deep convolutional networks for efficient inference', 2018, section 2.1, has the scheme).
Weights stay symmetric: a zero point of theirs would cost the engine a sum over its input.

The operands of a product of two activations stay symmetric where they have negative values: OpenVINO runs such a
product in float otherwise. Tensors that meet in a Concat, a MaxPool or a Resize share the range that holds them all
(meeting.py), as NNCF's do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...spaces.precision import INT8
from .graph import DEQUANTIZE, QUANTIZE, QdqGraph, replace_items
from .meeting import meeting_tensors
from .ranges import activations_of_feeds

ROUNDING = 2  # its version, see `content_key`; 2: tensors that meet share a range
STEPS = 255  # of an unsigned byte
LEAST = float(np.finfo(np.float32).tiny)  # that a range reaches, so that no scale is 0


class Range(NamedTuple):
    """From the smallest to the largest value that bytes are to represent; 0 lies between."""

    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low

    def bytes(self, *, symmetric: bool) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """The scale, and the byte that stands for 0."""
        if symmetric and self.low < 0:
            return np.array(max(-self.low, self.high, LEAST) / INT8.limit, np.float32), np.array(0, np.int8)
        scale = max(self.width, LEAST) / STEPS
        return np.array(scale, np.float32), np.array(np.clip(round(-self.low / scale), 0, STEPS), np.uint8)


def mean_ranges(calibrated: Path, feeds: Iterable[Mapping[str, NDArray[np.float32]]]) -> dict[str, Range]:
    """By activation tensor, the means over the feeds of its smallest and its largest value, 0 counted in.

    Args:
        calibrated: a Q/DQ graph of ModelOpt's; its quantized activations are the tensors asked for.
        feeds: inputs of the model, at least one, read once, one held at a time.
    """
    sums: dict[str, NDArray[np.float64]] = {}
    count = 0
    for activations in activations_of_feeds(calibrated, feeds):
        count += 1
        for name, values in activations.items():
            ends = np.array([min(values.min(), 0.0), max(values.max(), 0.0)], np.float64)
            sums[name] = sums.get(name, 0.0) + ends
    return {name: Range(*(ends / count).tolist()) for name, ends in sums.items()}


def round_to_ranges(model: Any, ranges: Mapping[str, Range]) -> None:
    """Give each activation's Q/DQ pairs the bytes of its range, or of the one that it shares.

    Args:
        model: onnx.ModelProto of ModelOpt's, in symmetric INT8; changed in place.
    """
    from onnx import numpy_helper

    graph = QdqGraph(model)
    ranges = _shared(graph, ranges)
    changed: set[str] = set()
    for node in [node for node in graph.nodes if node.op_type == QUANTIZE and node.input[0] in ranges]:
        tensor, pair = node.input[0], [node, *graph.readers[node.output[0]]]
        operands = (f"{tensor} asymmetric scale", f"{tensor} zero point")
        if tensor not in changed:
            values = ranges[tensor].bytes(symmetric=_is_in_product(graph, tensor))
            model.graph.initializer.extend(map(numpy_helper.from_array, values, operands))
        changed |= {tensor, node.output[0]}
        for one in pair:
            del one.input[1:]
            one.input.extend(operands)
    values_kept = [value for value in model.graph.value_info if value.name not in changed]
    replace_items(model.graph.value_info, values_kept)


def _shared(graph: QdqGraph, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The ranges, those of tensors that meet widened to hold all of them."""
    able = {tensor: found.width for tensor, found in ranges.items() if not _is_in_product(graph, tensor)}
    shared = dict(ranges)
    for group in meeting_tensors(graph, able):
        lows, highs = zip(*(ranges[tensor] for tensor in group), strict=True)
        shared.update(dict.fromkeys(group, Range(min(lows), max(highs))))
    return shared


def _is_in_product(graph: QdqGraph, tensor: str) -> bool:
    """Whether a MatMul reads it, dequantized, and no weight beside it."""
    quantized = (node.output[0] for node in graph.readers[tensor] if node.op_type == QUANTIZE)
    dequantized = (node.output[0] for name in quantized for node in graph.readers[name] if node.op_type == DEQUANTIZE)
    products = (node for name in dequantized for node in graph.readers[name] if node.op_type == "MatMul")
    return any(
        all(graph.source_of_dequantized(operand) not in graph.initializers for operand in node.input)
        for node in products
    )
