"""A lowered graph computes what it did, as ONNX Runtime sees it; what cannot be said in the older opset is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from qpareto.objectives.engines.tensorrt.opset import at_opset

SHAPE = (1, 4, 6, 8)
REDUCTIONS = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceL2", "ReduceSum")


def graph_of(*nodes: onnx.NodeProto, outputs: int = 1, opset: int = 19, **constants: Any) -> onnx.ModelProto:
    """From `x` to `y0`, `y1`, ..., whose shapes ONNX finds."""
    values = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(
        nodes,
        "made up",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, None) for i in range(outputs)],
        values,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model)


def run(model: onnx.ModelProto) -> list[Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, {"x": np.random.default_rng(0).random(SHAPE, np.float32)}))


def same(one: onnx.ModelProto, other: onnx.ModelProto) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(run(one), run(other), strict=True))


@given(
    op=st.sampled_from(REDUCTIONS),
    axes=st.lists(st.integers(-4, 3), min_size=1, max_size=3, unique_by=lambda axis: axis % 4),
    keepdims=st.integers(0, 1),
)
def test_axes_that_are_an_input_become_the_attribute_that_they_were(op: str, axes: list[int], keepdims: int) -> None:
    node = helper.make_node(op, ["x", "axes"], ["y0"], name="reduce", keepdims=keepdims)
    model = graph_of(node, axes=np.array(axes, np.int64))
    lowered = at_opset(model, 17)
    assert lowered.opset_import[0].version == 17
    assert same(model, lowered)
    (told,) = lowered.graph.node
    if op == "ReduceSum":  # of opset 13: its axes were an input in 17 already
        assert len(told.input) == 2
    else:
        assert len(told.input) == 1
        assert [list(a.ints) for a in told.attribute if a.name == "axes"] == [axes]


def test_a_reduction_over_all_axes_stays_one() -> None:
    model = graph_of(helper.make_node("ReduceMax", ["x"], ["y0"], name="reduce"))
    assert same(model, at_opset(model, 17))


def test_a_split_into_equal_parts_needs_no_count() -> None:
    model = graph_of(helper.make_node("Split", ["x"], ["y0", "y1"], name="halves", axis=1, num_outputs=2), outputs=2)
    lowered = at_opset(model, 17)
    assert [a.name for a in lowered.graph.node[0].attribute] == ["axis"]
    assert same(model, lowered)


@pytest.mark.parametrize(
    ("node", "constants", "reason"),
    [
        (helper.make_node("Mish", ["x"], ["y0"], name="act"), {}, "'act' is a Mish, which opset 17 does not have"),
        (
            helper.make_node("ReduceMax", ["x"], ["y0"], name="reduce", noop_with_empty_axes=1),
            {},
            r"'reduce' \(ReduceMax\) has the attribute 'noop_with_empty_axes'",
        ),
        (
            helper.make_node("Pad", ["x", "pads", "", "axes"], ["y0"], name="pad"),
            {"pads": np.array([1, 1], np.int64), "axes": np.array([2], np.int64)},
            r"'pad' \(Pad\) has 4 inputs, and 3 at most in opset 17",
        ),
    ],
)
def test_what_the_older_opset_cannot_say_is_refused_with_the_node(
    node: onnx.NodeProto, constants: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        at_opset(graph_of(node, **constants), 17)


def test_axes_that_are_computed_are_refused() -> None:
    cast = helper.make_node("Cast", ["some"], ["axes"], name="cast", to=TensorProto.INT64)
    reduce = helper.make_node("ReduceMax", ["x", "axes"], ["y0"], name="reduce")
    with pytest.raises(ValueError, match="computes its axes"):
        at_opset(graph_of(cast, reduce, some=np.array([1], np.int32)), 17)


def test_parts_of_unequal_size_are_refused() -> None:
    node = helper.make_node("Split", ["x"], ["y0", "y1", "y2"], name="parts", axis=3, num_outputs=3)
    with pytest.raises(ValueError, match="makes unequal parts"):
        at_opset(graph_of(node, outputs=3), 17)


@pytest.mark.parametrize("opset", [13, 17])
def test_an_older_graph_is_left_as_it_is_and_is_copied(opset: int) -> None:
    model = graph_of(helper.make_node("Relu", ["x"], ["y0"], name="relu"), opset=opset)
    lowered = at_opset(model, 17)
    assert lowered == model
    assert lowered is not model


def test_the_given_graph_is_left_alone() -> None:
    model = graph_of(helper.make_node("ReduceMax", ["x", "axes"], ["y0"], name="r"), axes=np.array([1], np.int64))
    before = model.SerializeToString()
    at_opset(model, 17)
    assert model.SerializeToString() == before


def test_yolo11n_in_int8_is_said_in_opset_17(shared: Path, tmp_path: Path) -> None:
    from qpareto.objectives.quantization.calibrate import structure_of_model
    from qpareto.objectives.store import Store
    from qpareto.spaces.masks import LayerMask
    from qpareto.spaces.model import read_model

    structure = structure_of_model(read_model(shared / "models" / "yolo11n.onnx"), Store(tmp_path))
    model = structure.with_mask(LayerMask.all(structure.layers)).model
    lowered = at_opset(model, 17)
    assert (model.opset_import[0].version, lowered.opset_import[0].version) == (19, 17)
    assert [node.name for node in lowered.graph.node] == [node.name for node in model.graph.node]
