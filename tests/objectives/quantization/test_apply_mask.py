from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from modelopts_own import own_graph
from qpareto.errors import QuantizationError
from qpareto.objectives.quantization.apply_mask import CalibratedModel
from qpareto.objectives.quantization.calibrate import CalibrationSet, calibrated_model
from qpareto.objectives.quantization.graph import QdqGraph, check_mask, graph_hash, layer_digests
from qpareto.objectives.store import Store
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import DetectorModel, read_model
from qpareto.spaces.precision import FLOAT, INT8


@pytest.fixture(scope="module")
def calibrated(network: DetectorModel, images: CalibrationSet, store: Store) -> CalibratedModel:
    return calibrated_model(network, images, CalibrationChoice("max", 4), store)


def outputs(model: Any, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: np.ndarray[Any, Any] = session.run(None, {"images": pixels})[0]
    return found


def producers(model: Any) -> dict[str, Any]:
    return {name: node for node in model.graph.node for name in node.output}


def quantized_on_the_way(model: Any, node: Any, layers: set[str]) -> bool:
    """The slow obvious walk: does a Q/DQ node stand on any path from the layers before a node to the node?"""
    found = producers(model)

    def walk(tensor: str) -> bool:
        above = found.get(tensor)
        if above is None or above.name in layers:
            return False
        return (
            above.op_type.endswith("QuantizeLinear")
            or above.op_type == "DequantizeLinear"
            or any(map(walk, above.input))
        )

    return any(map(walk, node.input))


@settings(max_examples=40)
@given(bits=st.lists(st.booleans(), min_size=7, max_size=7))
def test_the_effective_mask_is_the_requested_one(calibrated: CalibratedModel, bits: list[bool]) -> None:
    mask = LayerMask.from_names(calibrated.layers, itertools.compress(calibrated.layers, bits))
    model = calibrated.with_mask(mask).model
    onnx.checker.check_model(model, full_check=True)
    for node in model.graph.node:
        if node.name in calibrated.layers:
            direct = [
                producers(model)[t].op_type == "DequantizeLinear" if t in producers(model) else False
                for t in node.input[:2]
            ]
            assert direct == [node.name in mask] * 2
            if node.name not in mask:
                assert not quantized_on_the_way(model, node, set(calibrated.layers))


def test_the_empty_mask_is_the_float_model_to_the_bit(calibrated: CalibratedModel, network: DetectorModel) -> None:
    model = calibrated.with_mask(LayerMask.none(calibrated.layers)).model
    pixels = np.random.default_rng(3).random((1, 3, 64, 64), np.float32)
    assert not [node for node in model.graph.node if "Quantize" in node.op_type]
    assert not [w.name for w in model.graph.initializer if w.name.endswith(("_scale", "_zero_point"))]
    np.testing.assert_array_equal(outputs(model, pixels), outputs(onnx.load(network.path), pixels))


def test_the_full_mask_keeps_modelopts_graph_whole(calibrated: CalibratedModel) -> None:
    full = calibrated.with_mask(LayerMask.all(calibrated.layers))
    assert full.graph_hash == graph_hash(calibrated.graph.model)


def test_more_int8_layers_never_take_a_pair_away(calibrated: CalibratedModel) -> None:
    pairs = []
    for count in range(len(calibrated.layers) + 1):
        model = calibrated.with_mask(LayerMask.from_names(calibrated.layers, calibrated.layers[:count])).model
        pairs.append({node.name for node in model.graph.node if node.op_type == "QuantizeLinear"})
    assert all(fewer <= more for fewer, more in itertools.pairwise(pairs))


def test_an_add_whose_reader_is_float_adds_floats_where_modelopt_leaves_pairs(
    calibrated: CalibratedModel, network: DetectorModel, images: CalibrationSet, tmp_path: Path
) -> None:
    """The example of docs/quantization.md: what `nodes_to_exclude` leaves, and what ours does."""
    names = [name for name in calibrated.layers if not name.startswith(("/model.2/", "/model.4/cv1"))]
    kept = [name for name in calibrated.layers if name not in names]
    own = own_graph(
        network, images, CalibrationChoice("max", 4), tmp_path, tuple(f"^{re.escape(name)}$" for name in kept)
    )
    ours = calibrated.with_mask(LayerMask.from_names(calibrated.layers, names)).model

    def operands(model: Any) -> list[str]:
        add = next(node for node in model.graph.node if node.op_type == "Add")
        return [producers(model)[tensor].op_type for tensor in add.input]

    assert "DequantizeLinear" in operands(own)
    assert operands(ours) == ["Mul", "Mul"]


def test_equal_graphs_have_equal_hashes_whatever_their_names_and_order(calibrated: CalibratedModel) -> None:
    one = calibrated.with_mask(LayerMask.all(calibrated.layers)).model
    other = onnx.ModelProto.FromString(one.SerializeToString())
    for node in other.graph.node:
        node.name = f"renamed {node.name}"
        node.output[:] = [f"renamed {name}" for name in node.output]
        made = set(producers(one))
        node.input[:] = [f"renamed {name}" if name in made else name for name in node.input]
    for value in other.graph.output:
        value.name = f"renamed {value.name}"
    weights = list(other.graph.initializer)[::-1]
    del other.graph.initializer[:]
    other.graph.initializer.extend(weights)
    assert graph_hash(other) == graph_hash(one)
    assert sorted(layer_digests(other).values()) == sorted(layer_digests(one).values())


def test_a_changed_weight_attribute_or_scale_changes_the_hash(calibrated: CalibratedModel) -> None:
    one = calibrated.with_mask(LayerMask.all(calibrated.layers)).model
    hashes = {graph_hash(one)}
    for change in ("weight", "scale"):
        other = onnx.ModelProto.FromString(one.SerializeToString())
        tensor = next(w for w in other.graph.initializer if w.name.endswith(change))
        values = onnx.numpy_helper.to_array(tensor) * np.float32(1.5)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), tensor.name))
        hashes.add(graph_hash(other))
    other = onnx.ModelProto.FromString(one.SerializeToString())
    next(n for n in other.graph.node if n.op_type == "MaxPool").attribute[0].ints[0] += 2
    hashes.add(graph_hash(other))
    assert len(hashes) == 4


def test_different_masks_have_different_graphs(calibrated: CalibratedModel) -> None:
    masks = [LayerMask.from_word(calibrated.layers, f"{bits:02x}") for bits in range(2**7)]
    assert len({calibrated.with_mask(mask).graph_hash for mask in masks}) == len(masks)


def test_the_check_finds_a_mask_that_the_graph_does_not_keep(calibrated: CalibratedModel) -> None:
    half = LayerMask.from_names(calibrated.layers, calibrated.layers[:3])
    graph = QdqGraph(calibrated.with_mask(half).model)
    check_mask(graph, half.by_layer())
    with pytest.raises(QuantizationError, match="INT8, but the graph"):
        check_mask(graph, dict.fromkeys(calibrated.layers, INT8))
    with pytest.raises(QuantizationError, match="stands before it"):
        check_mask(graph, dict.fromkeys(calibrated.layers, FLOAT))
    with pytest.raises(QuantizationError, match="lost the layer"):
        check_mask(graph, {"absent": INT8})


@pytest.mark.parametrize(("zero", "said"), [(TensorProto.UINT8, None), (TensorProto.INT4, "from INT4, which is no")])
def test_what_a_layer_runs_in_is_what_its_pairs_round_to(
    calibrated: CalibratedModel, zero: int, said: str | None
) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(calibrated.graph.model)
    for weight in model.graph.initializer:
        if weight.name.endswith("_zero_point"):
            weight.data_type = zero
    if said is None:
        assert QdqGraph(model).quantized_layers() == calibrated.layers
    else:
        with pytest.raises(QuantizationError, match=said):
            QdqGraph(model).quantized_layers()


def test_a_layer_that_modelopt_does_not_quantize_is_refused(calibrated: CalibratedModel) -> None:
    mask = LayerMask.all(("/no/such/Conv",))
    with pytest.raises(QuantizationError, match="does not quantize"):
        calibrated.with_mask(mask)


def test_any_mask_of_yolo11n_keeps_its_float_layers_free_of_pairs(shared: Path, store: Store) -> None:
    from qpareto.objectives.quantization.calibrate import structure_of_model

    model = structure_of_model(read_model(shared / "models" / "yolo11n.onnx"), store)
    rng = np.random.default_rng(0)
    for density in (0.1, 0.5, 0.9):
        chosen = [name for name in model.layers if rng.random() < density]
        quantized = model.with_mask(LayerMask.from_names(model.layers, chosen)).model
        assert QdqGraph(quantized).quantized_layers() == tuple(chosen)
        for node in quantized.graph.node:
            if node.name in set(model.layers) - set(chosen):
                assert not quantized_on_the_way(quantized, node, set(model.layers))
