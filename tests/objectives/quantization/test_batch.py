"""A graph with another batch gives each image what it gives it alone; ONNX Runtime is the judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from made_up_graphs import ALL_STEPS, AS_DETECTORS_DO, IMAGE, GraphWriter, graphs
from networks import small_network
from qpareto.errors import ModelError
from qpareto.objectives.quantization.apply_mask import CalibratedModel, float_graph
from qpareto.objectives.quantization.batch import with_batch
from qpareto.objectives.quantization.batch_proof import MOST_OFF, proof_of_outputs
from qpareto.objectives.quantization.calibrate import CalibrationSet, calibrated_model
from qpareto.objectives.quantization.graph import graph_hash
from qpareto.objectives.store import Store
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import DetectorModel
from qpareto.spaces.tensors import inputs_of_graph

Images = NDArray[np.float32]
QUICKSTART = Path(__file__).resolve().parents[3] / "studies" / "quickstart" / "shapes-yolo11n.onnx"


def outputs(model: Any, images: Images) -> list[Images]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, {session.get_inputs()[0].name: images})]


def check_images_stay_apart(model: Any, batch: int) -> Any:
    """With that batch a graph is a whole one, and gives each of some random images what it gives it alone."""
    batched = with_batch(model, batch)
    onnx.checker.check_model(batched, full_check=True)
    images = random_images(model, batch)
    together = outputs(batched, images)
    for i in range(batch):
        for one, alone in zip(together, outputs(model, images[i : i + 1]), strict=True):
            assert one.shape == (batch, *alone.shape[1:])
            np.testing.assert_allclose(one[i], alone[0], rtol=1e-4, atol=1e-4 * np.abs(alone).max())
    return batched


def check_one_image_is_as_in_the_batch(batched: Any, batch: int) -> None:
    """A graph of that batch, given batch 1, gives an image what it gives it in the batch."""
    single = with_batch(batched, 1)
    onnx.checker.check_model(single, full_check=True)
    images = random_images(batched, batch)
    for i in range(batch):
        for one, together in zip(outputs(single, images[i : i + 1]), outputs(batched, images), strict=True):
            np.testing.assert_allclose(one[0], together[i], rtol=1e-4, atol=1e-4 * np.abs(together).max())


def random_images(model: Any, batch: int) -> Images:
    (port,) = inputs_of_graph(model.graph)
    sizes = [dim.dim_value for dim in port.type.tensor_type.shape.dim]
    return np.random.default_rng(0).random((batch, *sizes[1:]), dtype=np.float32)


@given(graphs(AS_DETECTORS_DO), st.integers(2, 5))
@settings(max_examples=60)
def test_made_up_graphs_give_each_image_what_it_gets_alone(model: Any, batch: int) -> None:
    before = model.SerializeToString()
    batched = check_images_stay_apart(model, batch)
    assert model.SerializeToString() == before
    check_one_image_is_as_in_the_batch(batched, batch)


@given(graphs(ALL_STEPS), st.integers(2, 5))
@settings(max_examples=60)
def test_any_made_up_graph_is_refused_unless_each_image_gets_what_it_gets_alone(model: Any, batch: int) -> None:
    """By its shapes, or by the proof."""
    images = random_images(model, batch)
    alone = [np.concatenate(one) for one in zip(*(outputs(model, image[None]) for image in images), strict=True)]
    try:
        together = outputs(with_batch(model, batch), images)
    except ModelError as refused:
        assert "set engine.batch=1, or export it with" in str(refused)  # noqa: PT017 - either outcome is right
        return
    if proof_of_outputs(alone, together).off <= MOST_OFF:
        check_images_stay_apart(model, batch)


def test_a_graph_that_has_the_batch_is_left_as_it_is() -> None:
    writer = GraphWriter((4, *IMAGE[1:]))
    writer.node("Relu", shape=writer.shape)
    model = writer.model()
    assert with_batch(model, 4) is model
    with pytest.raises(ModelError, match=r"exported for batch 4, and only a model of batch 1.*set engine\.batch=4"):
        with_batch(model, 8)


def test_a_batch_that_moves_by_transpose_is_followed() -> None:
    """As in an attention of PyTorch's: places first, then images and heads in one axis."""
    writer = GraphWriter()
    writer.reshape([1, 3, 24])
    writer.transpose([2, 0, 1])  # [24, 1, 3]
    writer.reshape([24, 3, 1])
    writer.node("Transpose", shape=[3, 24, 1], perm=[1, 0, 2])
    writer.node("Softmax", shape=[3, 24, 1], axis=1)
    writer.node("Transpose", shape=[24, 3, 1], perm=[1, 0, 2])
    writer.reshape([24, 1, 3])
    writer.node("Transpose", shape=[1, 24, 3], perm=[1, 0, 2])
    batched = check_images_stay_apart(writer.model(), 3)
    targets = [numpy_helper.to_array(n.attribute[0].t).tolist() for n in batched.graph.node if n.op_type == "Constant"]
    assert targets == [[3, 3, 24], [24, 9, 1], [24, 3, 3]]


def test_a_leading_1_that_is_not_the_batch_is_not_touched() -> None:
    """Of two Reshapes that share a target, one has the batch in the middle, and the other a weight."""
    writer = GraphWriter()
    writer.transpose([1, 0, 2, 3])  # [3, 1, 4, 6]
    writer.reshape([1, 3, 24])  # the batch is behind the 3
    writer.reshape([3, 1, 24])
    writer.transpose([1, 0, 2])
    model = writer.model()
    bias = numpy_helper.from_array(np.arange(72, dtype=np.float32).reshape(3, 24), "bias")
    target = model.graph.node[1].input[1]
    model.graph.initializer.append(bias)
    model.graph.node.insert(3, helper.make_node("Reshape", ["bias", target], ["shaped"], name="of a weight"))
    last = model.graph.node[-1]
    last.output[0] = "turned"
    model.graph.node.append(helper.make_node("Add", ["turned", "shaped"], [model.graph.output[0].name], name="sum"))
    batched = check_images_stay_apart(model, 4)
    shaped = next(node for node in batched.graph.node if node.name == "of a weight")
    assert list(shaped.input) == ["bias", target]
    assert numpy_helper.to_array(next(w for w in batched.graph.initializer if w.name == target)).tolist() == [1, 3, 24]


def test_an_index_into_one_image_is_one_into_its_own_image() -> None:
    """As YOLO26 finds the classes of its best boxes, once an optimizer has flattened them."""
    writer = GraphWriter()
    writer.reshape([72])
    model = writer.model()
    best = helper.make_node("TopK", ["flat", "five"], ["values", "best"], name="best", axis=1)
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.array(v, np.int64), n) for n, v in (("five", [5]), ("row", [1, 72]))]
    )
    model.graph.node.extend(
        [
            helper.make_node("Reshape", ["images", "row"], ["flat"], name="flat"),
            best,
            helper.make_node("Gather", ["tensor 0", "best"], ["picked"], name="picked", axis=0),
        ]
    )
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("picked", TensorProto.FLOAT, [1, 5]))
    check_images_stay_apart(model, 3)


@pytest.mark.parametrize("computed", [False, True])
def test_sizes_of_a_resize_grow_with_the_batch(computed: bool) -> None:
    writer = GraphWriter()
    sizes = writer.constant(np.array([1, 3, 8, 12], np.int64))
    writer.node("Resize", "", "", sizes, shape=[1, 3, 8, 12], mode="nearest")
    model = writer.model()
    if computed:  # as the exporter of YOLOv5 does
        ends = {"start": [0], "end": [2], "larger": [8, 12]}
        model.graph.initializer.extend([numpy_helper.from_array(np.array(v, np.int64), n) for n, v in ends.items()])
        resize = model.graph.node[0]
        resize.input[3] = "sizes"
        nodes = [
            helper.make_node("Shape", ["images"], ["shape"], name="shape"),
            helper.make_node("Slice", ["shape", "start", "end"], ["kept"], name="kept"),
            helper.make_node("Concat", ["kept", "larger"], ["sizes"], name="sizes", axis=0),
        ]
        for node in reversed(nodes):
            model.graph.node.insert(0, node)
    assert len(check_images_stay_apart(model, 2).graph.node) == len(model.graph.node) + (not computed)


def test_the_target_of_an_expand_grows_where_it_names_the_batch() -> None:
    """Once where images share an axis with channels, and once where the batch alone is expanded over, untouched."""
    writer = GraphWriter()
    writer.reshape([3, 1, 24])
    writer.node("Expand", writer.constant(np.array([3, 2, 24], np.int64)), shape=[3, 2, 24])
    writer.reshape([1, 3, 48])
    writer.node("Expand", writer.constant(np.array([1, 3, 48], np.int64)), shape=[1, 3, 48])
    batched = check_images_stay_apart(writer.model(), 3)
    targets = [numpy_helper.to_array(n.attribute[0].t).tolist() for n in batched.graph.node if n.op_type == "Constant"]
    assert targets == [[9, 1, 24], [9, 2, 24], [3, 3, 48]]


def fixed(step: str) -> Any:
    """A graph that cannot be given another batch, because of its last node but one."""
    writer = GraphWriter()
    if step == "Gather":
        writer.node("Gather", writer.constant(np.array([0], np.int64)), shape=[1, 3, 4, 6], axis=0)
    elif step == "Concat":
        writer.node("Concat", writer.constant(np.ones(IMAGE, np.float32)), shape=[2, 3, 4, 6], axis=0)
        writer.node("ReduceMax", shape=[1, 3, 4, 6], axes=[0], keepdims=1)
    elif step == "Concat of a token":
        writer.node("Concat", writer.constant(np.ones((1, 1, 4, 6), np.float32)), shape=[1, 4, 4, 6], axis=1)
    elif step == "ReduceMean":
        writer.node("ReduceMean", shape=[1, 3, 4, 6], axes=[0], keepdims=1)
    elif step == "Squeeze":
        writer.node("Squeeze", writer.constant(np.array([0], np.int64)), shape=[3, 4, 6])
        writer.node("Unsqueeze", writer.constant(np.array([0], np.int64)), shape=[1, 3, 4, 6])
    elif step == "Slice":
        first, last, axis = (writer.constant(np.array([i], np.int64)) for i in (0, 1, 0))
        writer.node("Slice", first, last, axis, shape=[1, 3, 4, 6])
    elif step == "ScatterND":
        places = np.zeros((1, 4), np.int64)
        places[0] = (0, 1, 2, 3)
        writer.node("ScatterND", writer.constant(places), writer.constant(np.ones(1, np.float32)), shape=[1, 3, 4, 6])
    return writer.model()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("Gather", "does not keep the images apart"),
        ("Concat", "does not keep the images apart"),
        ("Concat of a token", "cannot take more than one image"),
        ("ReduceMean", r"does not keep the images apart: what it gives at batch 1 is \[1, 3, 4, 6\]"),
        ("Squeeze", "cannot take more than one image"),
        ("Slice", "does not keep the images apart"),
        ("ScatterND", "addresses images by their number"),
    ],
)
def test_what_is_fixed_to_one_image_is_refused_by_name_with_the_way_out(step: str, said: str) -> None:
    op = step.split(maxsplit=1)[0]
    with pytest.raises(ModelError, match=rf"engine\.batch=2, since its {op} '{op} \d' {said}.*export it with batch=2"):
        with_batch(fixed(step), 2)


def test_an_output_that_has_no_place_for_images_is_refused() -> None:
    writer = GraphWriter()
    writer.reshape([12, 6], target=[-1, 6])
    with pytest.raises(ModelError, match="its output 'tensor 0' does not have the images along its first axis"):
        with_batch(writer.model(), 2)


def test_a_node_that_onnx_does_not_know_is_refused_by_name() -> None:
    writer = GraphWriter()
    writer.node("Relu", shape=writer.shape)
    model = writer.model()
    model.graph.node[0].domain = "of.somebody"
    with pytest.raises(
        ModelError, match="its Relu 'Relu 0' cannot take more than one image, or is none that ONNX knows"
    ):
        with_batch(model, 2)


def test_the_exporters_own_word_for_the_batch_is_changed_too(tmp_path: Path) -> None:
    model = onnx.load(small_network(tmp_path / "model.onnx"))
    helper.set_model_props(model, {"batch": "1", "stride": "32"})
    found = {entry.key: entry.value for entry in with_batch(model, 8).metadata_props}
    assert found == {"batch": "8", "stride": "32"}


@pytest.fixture(scope="module")
def calibrated(network: DetectorModel, images: CalibrationSet, store: Store) -> CalibratedModel:
    return calibrated_model(network, images, CalibrationChoice("max", 2), store)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_quantized_graphs_take_a_batch_and_are_still_their_reference_without_pairs(
    calibrated: CalibratedModel, share: float, tmp_path: Path
) -> None:
    layers = calibrated.layers
    quantized = calibrated.with_mask(LayerMask.from_names(layers, layers[: round(share * len(layers))]))
    reference = calibrated.with_mask(LayerMask.none(layers))
    batched = check_images_stay_apart(quantized.model, 2)
    onnx.save(batched, tmp_path / "batched.onnx")
    assert float_graph(tmp_path / "batched.onnx").graph_hash == graph_hash(with_batch(reference.model, 2))


def test_the_quickstarts_model_takes_a_batch() -> None:
    check_images_stay_apart(onnx.load(QUICKSTART), 2)


@pytest.mark.parametrize(
    "name",
    ["yolo11n", "yolov5n", "outside/picodet-s-320-coco", "outside/yolo26n-float", "outside/yolox-nano"],
)
def test_models_as_people_have_them_take_a_batch(shared: Path, name: str) -> None:
    check_images_stay_apart(onnx.load(shared / "models" / f"{name}.onnx"), 2)


def test_a_model_that_takes_one_scale_for_all_its_input_is_refused(shared: Path) -> None:
    model = onnx.load(shared / "models" / "outside" / "yolo11n-int8.onnx")
    with pytest.raises(
        ModelError, match="DynamicQuantizeLinear 'images_QuantizeLinear' does not keep the images apart"
    ):
        with_batch(model, 2)
