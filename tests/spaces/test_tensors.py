"""What an ONNX graph tells of its tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from qpareto.spaces.tensors import constants_of_graph, inputs_of_graph, readers_of_tensors, types_of_tensors


@pytest.fixture
def model() -> Any:
    """A weight listed among the inputs, a target of a Reshape in a Constant node, and a tensor of unknown size."""
    target = numpy_helper.from_array(np.array([2, 3], np.int64))
    nodes = [
        helper.make_node("Constant", [], ["target"], value=target),
        helper.make_node("Reshape", ["images", "target"], ["rows"]),
        helper.make_node("Mul", ["rows", "rows"], ["squares"]),
        helper.make_node("MatMul", ["squares", "weight"], ["product"]),
        helper.make_node("NonZero", ["product"], ["places"]),
    ]
    inputs = [("images", [6]), ("weight", [3, 4])]
    graph = helper.make_graph(
        nodes,
        "tensors",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info("places", TensorProto.INT64, None)],
        [numpy_helper.from_array(np.ones((3, 4), np.float32), "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_a_weight_is_no_input(model: Any) -> None:
    assert [value.name for value in inputs_of_graph(model.graph)] == ["images"]


def test_constants_are_initializers_and_constant_nodes(model: Any) -> None:
    found = constants_of_graph(model.graph)
    assert found.keys() == {"weight", "target"}
    assert numpy_helper.to_array(found["target"]).tolist() == [2, 3]


def test_readers_are_in_order_and_there_as_often_as_they_read(model: Any) -> None:
    readers = readers_of_tensors(model.graph)
    assert [node.op_type for node in readers["rows"]] == ["Mul", "Mul"]
    assert [node.op_type for node in readers["weight"]] == ["MatMul"]
    assert readers["places"] == []


def test_types_are_told_of_all_tensors_with_0_for_a_size_that_is_not_known(model: Any) -> None:
    assert types_of_tensors(model) == {
        "images": (TensorProto.FLOAT, (6,)),
        "weight": (TensorProto.FLOAT, (3, 4)),
        "target": (TensorProto.INT64, (2,)),
        "rows": (TensorProto.FLOAT, (2, 3)),
        "squares": (TensorProto.FLOAT, (2, 3)),
        "product": (TensorProto.FLOAT, (2, 4)),
        "places": (TensorProto.INT64, (2, 0)),
    }
