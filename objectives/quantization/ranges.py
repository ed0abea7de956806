"""Activation ranges that ModelOpt cannot be asked for: percentile and least squared error, from histograms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...spaces.masks import LayerMask
from ...spaces.precision import INT8
from .apply_mask import CalibratedModel
from .graph import DEQUANTIZE
from .variants import GraphTensors

PERCENTILE = 99.999  # ONNX Runtime's defaults, both
BINS = 2048
Values = NDArray[np.float32]


def activation_ranges(calibrated: Path, feeds: Iterable[Mapping[str, Values]], *, method: str) -> dict[str, float]:
    """Largest magnitudes that INT8 is to represent, by activation tensor.

    The histograms of magnitudes, and the percentile, are ONNX Runtime's own; memory does not grow with the feeds.

    Args:
        calibrated: a Q/DQ graph of ModelOpt's; its quantized activations are the tensors asked for.
        feeds: inputs of the model, read once, one held at a time.
        method: `percentile` or `mse`.
    """
    from onnxruntime.quantization.calibrate import HistogramCollector

    collector = HistogramCollector("percentile", True, BINS, BINS, PERCENTILE, "same")
    for activations in activations_of_feeds(calibrated, feeds):
        collector.collect({name: [values] for name, values in activations.items()})
    if method == "percentile":
        return {name: float(found[1]) for name, found in collector.compute_percentile().items()}
    return {name: least_error_range(found[0], found[1]) for name, found in collector.histogram_dict.items()}


def least_error_range(counts: NDArray[np.int64], edges: NDArray[np.float64]) -> float:
    """The range whose INT8 rounding and clipping loses least, in mean squared error over a histogram.

    Every bin edge t is tried: a magnitude x becomes s * min(round(x / s), 127) with s = t / 127. Edges below the
    127th are not: their step would be finer than a bin, and the histogram could not tell what rounding costs.

    Args:
        counts: (n,) magnitudes by bin.
        edges: (n + 1,) the bins' edges, ascending from 0.
    """
    held = counts > 0
    centres, weights = ((edges[:-1] + edges[1:]) / 2)[held], counts[held].astype(np.float64)

    def squared_error(limit: float) -> float:
        step = limit / INT8.limit
        return float(weights @ (centres - step * np.minimum(np.round(centres / step), INT8.limit)) ** 2)

    return float(min(edges[min(127, len(edges) - 1) :], key=squared_error))


def activations_of_feeds(calibrated: Path, feeds: Iterable[Mapping[str, Values]]) -> Iterator[dict[str, Values]]:
    """The float model's values of every tensor that the Q/DQ graph quantizes, feed by feed."""
    model = CalibratedModel(calibrated)
    dequantized = (node.output[0] for node in model.graph.nodes if node.op_type == DEQUANTIZE)
    sources = {
        str(model.graph.source_of_dequantized(tensor)) for tensor in dequantized
    } - model.graph.initializers.keys()
    floats = model.with_mask(LayerMask.none(model.layers)).model
    for tensors in map(GraphTensors(floats, sources).run, feeds):
        yield {name: tensors[name] for name in sources}
