"""Unsigned bytes with a zero point, held against ranges that NumPy finds in the float model."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import numpy_helper

from qpareto.objectives.quantization.apply_mask import CalibratedModel
from qpareto.objectives.quantization.asymmetric import STEPS, Range, round_to_ranges
from qpareto.objectives.quantization.calibrate import CalibrationSet, calibrated_model
from qpareto.objectives.quantization.graph import QUANTIZE, QdqGraph
from qpareto.objectives.store import Store
from qpareto.objectives.tensors import tensor_from_pixels
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import DetectorModel

ends = st.floats(0, 1e4, width=32)
MEETING = (  # in the network: what its Concats join; the MaxPool and the Resize read a tensor of these
    {"/model.2/act/Mul_output_0", "/model.3/Concat_output_0"},
    {
        "/model.0/act/Mul_output_0",
        "/model.1/Concat_output_0",
        "/model.3/cv1/act/Mul_output_0",
        "/model.4/Concat_output_0",
    },
)


@pytest.fixture(scope="module")
def calibrated(network: DetectorModel, images: CalibrationSet, store: Store) -> CalibratedModel:
    return calibrated_model(network, images, CalibrationChoice("asymmetric", 4), store)


@given(ends, ends, st.booleans())
@example(1.401298464324817e-45, 0.0, True)
def test_zero_is_a_byte_and_the_ends_are_off_by_a_step_at_most(low: float, high: float, symmetric: bool) -> None:
    scale, zero = Range(-low, high).bytes(symmetric=symmetric)
    least, most = np.iinfo(zero.dtype).min, np.iinfo(zero.dtype).max
    for value in (-low, 0.0, high):
        byte = np.clip(np.round(value / np.float64(scale)) + int(zero), least, most)
        restored = (byte - int(zero)) * np.float64(scale)
        assert abs(restored - value) <= (0 if value == 0 else np.float64(scale) * (1 + 1e-6))


def test_each_activation_lies_between_the_means_of_its_smallest_and_largest_values_and_of_those_it_meets(
    calibrated: CalibratedModel, network: DetectorModel, images: CalibrationSet
) -> None:
    graph = calibrated.graph
    pairs = {node.input[0]: node for node in graph.nodes if node.op_type == QUANTIZE}
    tensors = [tensor for tensor in pairs if tensor not in graph.initializers]
    shown = onnx.load(network.path)
    computed = [tensor for tensor in tensors if tensor != network.input_name]
    shown.graph.output.extend(onnx.ValueInfoProto(name=tensor) for tensor in computed)
    session = onnxruntime.InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    seen = []
    for row in np.load(images.pixels)[:4]:
        feed = {network.input_name: tensor_from_pixels(row[None])}
        seen.append(dict(zip(computed, session.run(computed, feed), strict=True)) | feed)
    assert len(tensors) > 5
    for tensor in tensors:
        met = next((group for group in MEETING if tensor in group), {tensor})
        low = min(np.mean([one[other].min() for one in seen]) for other in met)
        high = max(np.mean([one[other].max() for one in seen]) for other in met)
        scale, zero = (numpy_helper.to_array(graph.initializers[name]) for name in pairs[tensor].input[1:])
        assert zero.dtype == np.uint8
        np.testing.assert_allclose(scale, (max(high, 0) - min(low, 0)) / STEPS, rtol=1e-4)
        np.testing.assert_allclose(zero, -min(low, 0) / scale, atol=0.51)


def test_masks_and_weights_are_those_of_other_methods(
    calibrated: CalibratedModel, network: DetectorModel, images: CalibrationSet, store: Store
) -> None:
    plain = calibrated_model(network, images, CalibrationChoice("max", 4), store)
    assert calibrated.layers == plain.layers
    for names in (plain.layers[:0], plain.layers[:1], plain.layers[1::2], plain.layers):
        model = calibrated.with_mask(LayerMask.from_names(plain.layers, names)).model  # which holds it to its mask
        onnx.checker.check_model(model, full_check=True)
    weights = [
        node.input
        for node in plain.graph.nodes
        if node.op_type == QUANTIZE and node.input[0] in plain.graph.initializers
    ]
    here = {node.input[0]: node.input for node in calibrated.graph.nodes if node.op_type == QUANTIZE}
    assert weights
    for weight, scale, _ in weights:
        expected = numpy_helper.to_array(plain.graph.initializers[scale])
        np.testing.assert_array_equal(numpy_helper.to_array(calibrated.graph.initializers[here[weight][1]]), expected)


def test_the_operands_of_a_product_of_activations_stay_symmetric_where_they_have_negative_values() -> None:
    model = quantized_product()
    round_to_ranges(model, {"a": Range(-1.0, 3.0), "b": Range(0.0, 2.0), "x": Range(-1.0, 3.0)})
    graph = QdqGraph(model)
    zeros = {
        n.input[0]: numpy_helper.to_array(graph.initializers[n.input[2]]) for n in graph.nodes if n.op_type == QUANTIZE
    }
    found = {name: (str(zeros[name].dtype), int(zeros[name])) for name in "abx"}
    assert found == {"a": ("int8", 0), "b": ("uint8", 0), "x": ("uint8", 64)}


def quantized_product() -> onnx.ModelProto:
    """a @ b, and x @ weight, each operand through a pair of INT8."""
    return onnx.parser.parse_model(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 2] a, float[2, 2] b, float[2, 2] x) => (float[2, 2] p, float[2, 2] q)
        <float s = {1.0}, int8 z = {0}, float[2, 2] w = {1, 2, 3, 4}>
        {
            ai = QuantizeLinear(a, s, z)  ad = DequantizeLinear(ai, s, z)
            bi = QuantizeLinear(b, s, z)  bd = DequantizeLinear(bi, s, z)
            xi = QuantizeLinear(x, s, z)  xd = DequantizeLinear(xi, s, z)
            wi = QuantizeLinear(w, s, z)  wd = DequantizeLinear(wi, s, z)
            p = MatMul(ad, bd)
            q = MatMul(xd, wd)
        }
        """
    )
