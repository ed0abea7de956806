"""A factor goes behind the product of its quantized operand, and the graph computes what it did."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from qpareto.objectives.engines.tensorrt.factors import with_factors_behind_products

DEPTH, COLUMNS = 4, 6


def node(op: str, *inputs: str, to: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), [to], name=f"{op} of {inputs[0]}", **attributes)


def quantized(tensor: str, scale: str) -> list[onnx.NodeProto]:
    """From `tensor` to `tensor in INT8`."""
    return [
        node("QuantizeLinear", tensor, scale, "zero", to=f"{tensor} as bytes"),
        node("DequantizeLinear", f"{tensor} as bytes", scale, "zero", to=f"{tensor} in INT8"),
    ]


def attention(*, factor: Any = 0.25, scale: float = 0.01, extra: Any = ()) -> onnx.ModelProto:
    """Queries and keys of one tensor, the queries scaled, their product: the graph that TensorRT 8.6 gets wrong."""
    split = helper.make_node("Split", ["x", "sizes"], ["query", "key"], name="split", axis=1)
    nodes = [
        split,
        node("Mul", "query", "factor", to="scaled"),
        node("Transpose", "scaled", to="turned", perm=[0, 2, 1]),
        *quantized("turned", "scale"),
        *quantized("key", "key scale"),
        node("MatMul", "turned in INT8", "key in INT8", to="y"),
        *extra,
    ]
    values = {
        "sizes": np.array([DEPTH, DEPTH], np.int64),
        "factor": np.asarray(factor, np.float32),
        "scale": np.float32(scale),
        "key scale": np.float32(0.03),
        "zero": np.int8(0),
    }
    graph = helper.make_graph(
        nodes,
        "attention",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2 * DEPTH, COLUMNS))],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, COLUMNS, COLUMNS)),
            *[helper.make_tensor_value_info("z", TensorProto.FLOAT, None) for _ in extra],
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(1, 2 * DEPTH, COLUMNS)).astype(np.float32)
    return list(session.run(None, {"x": x}))


def order(model: onnx.ModelProto) -> list[str]:
    return [each.op_type for each in model.graph.node]


@given(power=st.integers(-6, 6), scale=st.floats(0.004, 0.05))
def test_the_factor_goes_behind_the_product_and_every_bit_stays(power: int, scale: float) -> None:
    model = attention(factor=2.0**power, scale=scale)  # by a power of two, nothing is rounded otherwise
    before = run(model)
    onnx.checker.check_model(with_factors_behind_products(model))
    assert order(model)[1] == "Transpose"
    assert order(model)[-2:] == ["MatMul", "Mul"]
    assert np.array_equal(before[0], run(model)[0])


@given(factor=st.floats(0.05, 20.0))
def test_any_other_factor_changes_a_rounding_at_most(factor: float) -> None:
    model = attention(factor=factor)
    (before,) = run(model)
    (after,) = run(with_factors_behind_products(model))
    step = 0.01 * 0.03 * 127  # one step of a query times the largest key
    assert np.allclose(before, after, atol=DEPTH * step)
    assert np.mean(np.abs(before - after) > 1e-4) < 0.2


@pytest.mark.parametrize(
    "model",
    [
        attention(factor=-0.25),
        attention(factor=np.full((1, DEPTH, 1), 0.25)),
        attention(extra=[node("Relu", "scaled", to="z")]),
        attention(extra=[node("Relu", "turned in INT8", to="z")]),
    ],
    ids=["negative", "a vector", "the scaled is read by others", "what was quantized is read by others"],
)
def test_what_cannot_be_moved_stays_as_it_is(model: onnx.ModelProto) -> None:
    before = model.SerializeToString()
    assert with_factors_behind_products(model).SerializeToString() == before
