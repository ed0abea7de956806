"""What people have becomes one file that everything else takes: the same layers, the same values, or one sentence."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from networks import SIZE, small_network
from odd_models import (
    backwards,
    in_half,
    nameless,
    of_any_size,
    quantized_outside,
    saved,
    shape_from_image,
    with_constants,
    with_data_beside,
    with_postprocessor,
)
from qpareto.errors import ModelError
from qpareto.objectives.accuracy.heads.head_kinds import head_of
from qpareto.objectives.accuracy.heads.plain_heads import DetrEndToEndHead
from qpareto.objectives.quantization.batch import with_batch
from qpareto.objectives.quantization.reading import model_of_file
from qpareto.objectives.store import Store
from qpareto.spaces.layers import layers_of_model
from qpareto.spaces.model import load_onnx, read_model

QUICKSTART = Path(__file__).resolve().parents[4] / "studies" / "quickstart" / "shapes-yolo11n.onnx"
Change = Callable[[Any], Any]


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return small_network(tmp_path / "plain.onnx")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def outputs_of(path: Path, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # fatal ones
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, feeds)]


def output_of(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    (output,) = outputs_of(path, {load_onnx(path).graph.input[0].name: images})
    return output


def random_images(batch: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((batch, 3, SIZE, SIZE), dtype=np.float32)


def test_a_plain_file_is_taken_as_it_is_under_the_hash_that_it_always_had(plain: Path, store: Store) -> None:
    for path in (plain, QUICKSTART):
        assert model_of_file(path, store) == read_model(path)
        assert read_model(path).content_hash == hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    assert model_of_file(plain, store, imgsz=(SIZE, SIZE)) == read_model(plain), "the size that it has"
    assert not store.root.exists()


@pytest.mark.parametrize(
    ("change", "done"),
    [
        (with_constants, "constants were made initializers"),
        (backwards, "its nodes were sorted"),
        (of_any_size, f"it takes [1, 3, {SIZE}, {SIZE}] now"),
        (lambda model: of_any_size(shape_from_image(model)), f"it takes [1, 3, {SIZE}, {SIZE}] now"),
        (lambda model: of_any_size(model, ("batch", 3, SIZE, SIZE)), f"it takes [1, 3, {SIZE}, {SIZE}] now"),
        (lambda model: backwards(of_any_size(with_constants(model))), "were sorted"),
    ],
)
def test_an_odd_file_has_the_layers_and_values_of_the_plain_one(
    plain: Path, store: Store, change: Change, done: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    odd = saved(change(onnx.load(plain)), plain.with_name("odd.onnx"))
    found, expected = model_of_file(odd, store, imgsz=(SIZE, SIZE)), read_model(plain)
    assert (found.input_shape, found.output_shapes) == (expected.input_shape, expected.output_shapes)
    assert layers_of_model(found.path) == layers_of_model(plain)
    np.testing.assert_array_equal(output_of(found.path, random_images()), output_of(plain, random_images()))
    assert done in caplog.text
    assert found.path.name == "odd.onnx"
    assert found.content_hash != expected.content_hash
    caplog.clear()
    assert model_of_file(odd, store, imgsz=(SIZE, SIZE)) == found
    assert not caplog.text, "it is told once"


@pytest.mark.parametrize("ports", [True, False])
def test_half_weights_become_float_ones_exactly(plain: Path, store: Store, ports: bool) -> None:
    rounded = onnx.load(plain)
    for weight in rounded.graph.initializer:
        if weight.data_type == TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(weight).astype(np.float16).astype(np.float32)
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    expected = saved(rounded, plain.with_name("rounded.onnx"))
    half = saved(in_half(onnx.load(plain), ports=ports), plain.with_name("half.onnx"))
    found = model_of_file(half, store)
    assert layers_of_model(found.path) == layers_of_model(plain)
    np.testing.assert_array_equal(output_of(found.path, random_images()), output_of(expected, random_images()))
    kept = load_onnx(found.path)
    assert TensorProto.FLOAT16 not in {weight.data_type for weight in kept.graph.initializer}
    assert kept.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT


def test_bfloat16_weights_become_float_ones(plain: Path, store: Store) -> None:
    model = in_half(onnx.load(plain))
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.elem_type = TensorProto.BFLOAT16
    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT16:
            values = onnx.numpy_helper.to_array(weight).astype(np.float32)
            weight.CopyFrom(helper.make_tensor(weight.name, TensorProto.BFLOAT16, weight.dims, values.ravel()))
    found = model_of_file(saved(model, plain.with_name("bfloat16.onnx")), store)
    images = random_images()
    np.testing.assert_allclose(output_of(found.path, images), output_of(plain, images), atol=0.5)
    assert np.abs(output_of(found.path, images)).max() > 8


def test_weights_in_a_file_beside_the_model_belong_to_it(plain: Path, store: Store) -> None:
    (plain.parent / "a").mkdir()
    (plain.parent / "b").mkdir()
    one = with_data_beside(onnx.load(plain), plain.parent / "a" / "best.onnx")
    found = model_of_file(one, store)
    np.testing.assert_array_equal(output_of(found.path, random_images()), output_of(plain, random_images()))
    other = with_data_beside(onnx.load(plain), plain.parent / "b" / "best.onnx")
    data = other.with_name("best.onnx.data")
    data.write_bytes(data.read_bytes()[:-4] + b"\0\0\0\0")
    assert one.read_bytes() == other.read_bytes()
    assert model_of_file(other, store).content_hash != found.content_hash
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(ModelError, match=r"^best\.onnx\.data, with the weights of best\.onnx, is cut off"):
        model_of_file(other, store)
    data.unlink()
    with pytest.raises(ModelError, match=r"^The weights of best\.onnx lie in best\.onnx\.data, which is not in "):
        model_of_file(other, store)


def test_data_beside_what_a_link_leads_to_is_found_and_none_outside_is_read(plain: Path, store: Store) -> None:
    (plain.parent / "a").mkdir()
    real = with_data_beside(onnx.load(plain), plain.parent / "a" / "best.onnx")
    link = plain.parent / "link.onnx"
    link.symlink_to(real)
    assert model_of_file(link, store).content_hash == model_of_file(real, store).content_hash
    model = onnx.load(real, load_external_data=False)
    for weight in model.graph.initializer:
        next(entry for entry in weight.external_data if entry.key == "location").value = "../plain.onnx"
    outside = plain.parent / "a" / "outside.onnx"
    outside.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"lie in \.\./plain\.onnx, which is not in"):
        model_of_file(outside, store)


@pytest.mark.parametrize("op", ["ConvInteger", "QLinearConv", "DynamicQuantizeLinear", "QuantizeLinear"])
def test_a_quantized_model_is_told_to_be_one(plain: Path, store: Store, op: str) -> None:
    quantized = saved(quantized_outside(onnx.load(plain), op), plain.with_name("int8.onnx"))
    said = rf"^int8\.onnx is already quantized \(3 {op}\): name the float model that it was made from\.$"
    with pytest.raises(ModelError, match=said):
        model_of_file(quantized, store)


def test_ultralytics_int8_export_is_told_to_be_one(shared: Path, store: Store) -> None:
    with pytest.raises(ModelError, match=r"already quantized \(88 ConvInteger, 80 DynamicQuantizeLinear\)"):
        model_of_file(shared / "models" / "outside" / "yolo11n-int8.onnx", store)


def test_a_graph_of_any_size_takes_what_is_asked_for_or_what_its_exporter_noted(plain: Path, store: Store) -> None:
    model = of_any_size(onnx.load(plain))
    odd = saved(model, plain.with_name("odd.onnx"))
    with pytest.raises(ModelError, match=r"^odd\.onnx takes images of any size: say which, by `imgsz: 640`"):
        model_of_file(odd, store)
    wide = model_of_file(odd, store, imgsz=(48, 128))
    assert (wide.input_shape, wide.output_shapes) == ((1, 3, 48, 128), ((1, 24, 24 * 64),))
    helper.set_model_props(model, {"imgsz": f"[{SIZE}, {SIZE}]", "batch": "8", "args": "{'dynamic': True}"})
    noted = model_of_file(saved(model, odd), store)
    assert noted.input_shape == (1, 3, SIZE, SIZE)
    assert noted.metadata == {"imgsz": f"[{SIZE}, {SIZE}]", "batch": "1", "args": "{'dynamic': False}"}
    assert model_of_file(odd, store, imgsz=(48, 128)).content_hash != noted.content_hash


@pytest.mark.parametrize("batch_axis", [True, False])
def test_a_detr_that_asks_for_the_sizes_of_images_is_told_its_own_as_width_and_height(
    plain: Path, store: Store, batch_axis: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    odd = saved(of_any_size(with_postprocessor(onnx.load(plain), batch_axis=batch_axis)), plain.with_name("detr.onnx"))
    found = model_of_file(odd, store, imgsz=(48, 128))
    boxes = 24 * 64
    assert found.output_shapes == ((1, boxes), (1, boxes, 4), (1, boxes))
    assert (found.input_name, found.input_shape) == ("images", (1, 3, 48, 128))
    images = np.random.default_rng(0).random((1, 3, 48, 128), dtype=np.float32)
    expected = outputs_of(odd, {"images": images, "orig_target_sizes": np.array([[128, 48]])})
    for ours, theirs in zip(outputs_of(found.path, {"images": images}), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs if batch_axis else theirs[None])
    assert head_of(found) == DetrEndToEndHead(1, None, 0, 2)
    assert "its input orig_target_sizes is always [128, 48] (width, height)" in caplog.text
    assert ("its outputs have an axis of the batch" in caplog.text) is not batch_axis


def test_a_detr_of_fixed_sizes_and_one_from_outside_are_read_likewise(plain: Path, store: Store, shared: Path) -> None:
    fixed = saved(with_postprocessor(onnx.load(plain), batch_axis=True), plain.with_name("detr.onnx"))
    assert model_of_file(fixed, store).output_shapes == ((1, 1024), (1, 1024, 4), (1, 1024))
    atto = shared / "models" / "outside" / "deimv2-atto-float.onnx"
    found = model_of_file(atto, store, imgsz=(320, 320))
    assert head_of(found) == DetrEndToEndHead(1, None, 0, 2)
    images = np.random.default_rng(0).random((1, 3, 320, 320), dtype=np.float32)
    expected = outputs_of(atto, {"images": images, "orig_target_sizes": np.array([[320, 320]])})
    for ours, theirs in zip(outputs_of(found.path, {"images": images}), expected, strict=True):
        np.testing.assert_allclose(ours[0, :20], theirs[:20], atol=0.05)  # what comes of sizes was folded


def test_two_inputs_of_sizes_are_refused(plain: Path, store: Store) -> None:
    model = with_postprocessor(onnx.load(plain), batch_axis=True)
    model.graph.input.append(helper.make_tensor_value_info("scale_factor", TensorProto.FLOAT, [1, 2]))
    said = r"^odd\.onnx has 3 inputs \(images, orig_target_sizes, scale_factor\), but qpareto feeds one, the images"
    with pytest.raises(ModelError, match=said):
        model_of_file(saved(model, plain.with_name("odd.onnx")), store)


def test_another_size_than_a_graph_has_is_refused(plain: Path, store: Store) -> None:
    with pytest.raises(ModelError, match=r"^plain\.onnx takes images of 64 x 64 .*, not of 96 x 64: set `imgsz`"):
        model_of_file(plain, store, imgsz=(96, SIZE))
    half_open = saved(of_any_size(onnx.load(plain), (1, 3, "height", SIZE)), plain.with_name("odd.onnx"))
    with pytest.raises(ModelError, match=r"takes images of any x 64 .*, not of 64 x 96"):
        model_of_file(half_open, store, imgsz=(SIZE, 96))
    assert model_of_file(half_open, store, imgsz=(80, SIZE)).input_shape == (1, 3, 80, SIZE)


def test_nodes_without_a_name_get_one_and_no_two_share_one(plain: Path, store: Store) -> None:
    expected = layers_of_model(plain)
    model = onnx.load(plain)
    for node in model.graph.node:
        node.name = node.op_type  # ops in place of names, as some tools write
    model.graph.node[0].name = "first, of + all"
    found = layers_of_model(model_of_file(saved(model, plain.with_name("odd.onnx")), store).path)
    assert [layer.name for layer in found[:3]] == ["first_of_all", "Conv", "Conv_1"]
    assert [layer.macs for layer in found] == [layer.macs for layer in expected]
    bare = model_of_file(saved(nameless(model), plain.with_name("bare.onnx")), store)
    names = [node.name for node in load_onnx(bare.path).graph.node]
    assert len({*names, ""}) == len(names) + 1


def test_a_model_of_batch_8_is_searched_at_batch_1_and_proven_to_be_the_same(plain: Path, store: Store) -> None:
    eight = saved(with_batch(onnx.load(plain), 8), plain.with_name("eight.onnx"))
    found = model_of_file(eight, store)
    assert (found.input_shape, found.exported_batch) == ((1, 3, SIZE, SIZE), 8)
    assert model_of_file(plain, store).exported_batch == 1
    images = random_images(8)
    together = output_of(eight, images)
    for image, expected in zip(images, together, strict=True):
        np.testing.assert_array_equal(output_of(found.path, image[None])[0], expected)
    again = with_batch(load_onnx(found.path), 8)
    np.testing.assert_array_equal(output_of(saved(again, plain.with_name("again.onnx")), images), together)


def test_a_model_of_batch_8_that_mixes_its_images_is_refused(plain: Path, store: Store) -> None:
    model = with_batch(onnx.load(plain), 8)
    model.graph.node[-1].output[0] = "apart"
    model.graph.node.append(helper.make_node("Softmax", ["apart"], [model.graph.output[0].name], "mix", axis=0))
    with pytest.raises(
        ModelError, match=r"since \d+\.\d% of what it gives for an image is other in a batch than alone"
    ):
        model_of_file(saved(model, plain.with_name("odd.onnx")), store)


def test_a_model_that_is_fixed_to_its_batch_keeps_it_and_that_is_told(
    plain: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    model = with_batch(onnx.load(plain), 8)
    model.graph.node[-1].output[0] = "apart"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((8, 1, 1), np.float32), "of eight"))
    model.graph.node.append(helper.make_node("Mul", ["apart", "of eight"], [model.graph.output[0].name], "each"))
    fixed = saved(model, plain.with_name("odd.onnx"))
    assert model_of_file(fixed, store) == read_model(fixed)
    assert read_model(fixed).input_shape[0] == 8
    assert "odd.onnx is calibrated in its own batches, on which entropy's scales depend" in caplog.text


def test_nodes_that_read_each_other_in_a_circle_are_refused(plain: Path, store: Store) -> None:
    model = onnx.load(plain)
    model.graph.node[0].input[0] = model.graph.node[5].output[0]
    with pytest.raises(ModelError, match=r"^'/model\.0/conv/Conv' of odd\.onnx reads its own result"):
        model_of_file(saved(model, plain.with_name("odd.onnx")), store)


def test_what_is_no_model_is_refused(plain: Path, store: Store) -> None:
    with pytest.raises(ModelError, match="There is no model at"):
        model_of_file(plain.with_name("absent.onnx"), store)
    plain.write_bytes(plain.read_bytes()[:-4000])
    with pytest.raises(ModelError, match="not a readable ONNX model"):
        model_of_file(plain, store)
    plain.write_text("not a model")
    with pytest.raises(ModelError, match="not a readable ONNX model"):
        model_of_file(plain, store)


def test_a_copy_under_another_name_is_the_same_model_by_its_own_name(plain: Path, store: Store) -> None:
    one = saved(of_any_size(onnx.load(plain)), plain.with_name("one.onnx"))
    other = saved(of_any_size(onnx.load(plain)), plain.with_name("other.onnx"))
    found = [model_of_file(path, store, imgsz=(SIZE, SIZE)) for path in (one, other)]
    assert found[0].content_hash == found[1].content_hash
    assert [model.path.name for model in found] == ["one.onnx", "other.onnx"]


def test_a_size_that_does_not_fit_the_graph_is_told_with_the_node(plain: Path, store: Store) -> None:
    odd = saved(of_any_size(onnx.load(plain)), plain.with_name("odd.onnx"))
    said = r"^odd\.onnx cannot take images of 66 x 64 .* since its Concat '/model\.4/Concat' does not fit them"
    with pytest.raises(ModelError, match=said):
        model_of_file(odd, store, imgsz=(66, SIZE))
