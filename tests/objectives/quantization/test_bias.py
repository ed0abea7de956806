"""Corrected biases against layers that are run alone in INT8, image by image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from qpareto.objectives.quantization.apply_mask import CalibratedModel, float_graph
from qpareto.objectives.quantization.calibrate import CalibrationSet, calibrated_model
from qpareto.objectives.quantization.graph import QdqGraph
from qpareto.objectives.store import Store
from qpareto.objectives.tensors import tensor_from_pixels
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import DetectorModel

Arrays = Any


@pytest.fixture(scope="module")
def plain(network: DetectorModel, images: CalibrationSet, store: Store) -> CalibratedModel:
    return calibrated_model(network, images, CalibrationChoice("max", 4), store)


@pytest.fixture(scope="module")
def corrected(network: DetectorModel, images: CalibrationSet, store: Store) -> CalibratedModel:
    return calibrated_model(network, images, CalibrationChoice("max", 4, bias_correction=True), store)


@pytest.fixture(scope="module")
def batches(images: CalibrationSet) -> list[Arrays]:
    pixels = np.load(images.pixels)[:4]
    return [tensor_from_pixels(pixels[i : i + 1]) for i in range(len(pixels))]


def output_of_layer(model: Any, layer: str, batches: list[Arrays]) -> Arrays:
    """[images, channels, height, width] before the activation."""
    (tensor,) = next(node.output for node in model.graph.node if node.name == layer)
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.append(onnx.ValueInfoProto(name=tensor))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run([tensor], {"images": batch})[0] for batch in batches])


def rounded_alone(calibrated: CalibratedModel, layer: str) -> Any:
    """The graph in which nothing but a layer's own operands is rounded: other nodes around it are in a mask's graph."""
    model = calibrated.with_mask(LayerMask.from_names(calibrated.layers, [layer])).model
    graph = QdqGraph(model)
    for node in graph.nodes:
        if node.name != layer and not node.op_type.endswith("QuantizeLinear") and node.op_type != "DequantizeLinear":
            for i, tensor in enumerate(node.input):
                node.input[i] = graph.source_of_dequantized(tensor) or tensor
    return model


def bias_of(model: Any, layer: str) -> Arrays:
    node = next(node for node in model.graph.node if node.name == layer)
    weights = {weight.name: weight for weight in model.graph.initializer}
    return numpy_helper.to_array(weights[node.input[2]])


def test_a_layer_alone_in_int8_has_the_mean_of_the_float_layer_in_every_channel(
    plain: CalibratedModel, corrected: CalibratedModel, batches: list[Arrays]
) -> None:
    floats = plain.with_mask(LayerMask.none(plain.layers)).model
    for layer in plain.layers:
        graphs = floats, rounded_alone(plain, layer), rounded_alone(corrected, layer)
        real, off, right = (output_of_layer(graph, layer, batches).mean(axis=(0, 2, 3)) for graph in graphs)
        assert np.abs(off - real).max() > 1e-3
        np.testing.assert_allclose(right, real, atol=1e-5 * np.abs(real).max() + 1e-6)


def test_only_the_biases_of_int8_layers_change(plain: CalibratedModel, corrected: CalibratedModel) -> None:
    some = LayerMask.from_names(plain.layers, plain.layers[::2])
    before, after = plain.with_mask(some), corrected.with_mask(some)
    assert before.graph_hash != after.graph_hash
    for layer in plain.layers:
        is_same = np.array_equal(bias_of(before.model, layer), bias_of(after.model, layer))
        assert is_same == (layer not in some)
    onnx.checker.check_model(after.model)


def test_a_corrected_graph_less_its_pairs_is_the_float_graph(
    plain: CalibratedModel, corrected: CalibratedModel, tmp_path: Path
) -> None:
    onnx.save(corrected.with_mask(LayerMask.all(plain.layers)).model, tmp_path / "quantized.onnx")
    nothing = plain.with_mask(LayerMask.none(plain.layers))
    found = float_graph(tmp_path / "quantized.onnx")
    assert (found.graph_hash, found.mask) == (nothing.graph_hash, nothing.mask)
    assert not [entry.key for entry in found.model.metadata_props if "bias" in entry.key]
    onnx.checker.check_model(found.model)


def test_without_int8_nothing_is_corrected(plain: CalibratedModel, corrected: CalibratedModel) -> None:
    nothing = LayerMask.none(plain.layers)
    assert plain.with_mask(nothing).graph_hash == corrected.with_mask(nothing).graph_hash
