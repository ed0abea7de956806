from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from networks import small_network
from qpareto.errors import ModelError
from qpareto.spaces.model import read_model


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return small_network(tmp_path / "m.onnx")


def _changed(network: Path, dims: list[int | str]) -> Path:
    model = onnx.load(network)
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, dims, strict=True):
        if isinstance(size, str):
            dim.dim_param = size
        else:
            dim.dim_value = size
    del model.graph.value_info[:]
    path = network.with_name("changed.onnx")
    onnx.save(model, path)
    return path


def test_a_model_tells_its_input_outputs_and_metadata(network: Path) -> None:
    model = onnx.load(network)
    onnx.helper.set_model_props(model, {"names": "{0: 'cat', 1: 'dog'}", "stride": "32"})
    onnx.save(model, network)
    found = read_model(network)
    assert (found.input_name, found.input_shape) == ("images", (1, 3, 64, 64))
    assert found.output_shapes == ((1, 24, 1024),)
    assert found.class_names == ("cat", "dog")


@pytest.mark.parametrize("names", ["", "no dictionary", "[1, 2]", "{0: "])
def test_class_names_that_cannot_be_read_are_none(network: Path, names: str) -> None:
    model = onnx.load(network)
    onnx.helper.set_model_props(model, {"names": names})
    onnx.save(model, network)
    assert read_model(network).class_names is None


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model at"):
        read_model(tmp_path / "absent.onnx")


def test_a_truncated_model_is_refused(network: Path) -> None:
    network.write_bytes(network.read_bytes()[:-4000])
    with pytest.raises(ModelError, match="not a readable ONNX model"):
        read_model(network)


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("not a model")
    with pytest.raises(ModelError, match="not a readable ONNX model"):
        read_model(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("dims", "said"),
    [
        (["batch", 3, 64, 64], "depends on the image"),
        ([1, 1, 64, 64], "needs \\[batch, 3, height, width\\]"),
    ],
)
def test_a_model_of_another_shape_is_refused(network: Path, dims: list[int | str], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        read_model(_changed(network, dims))


def test_any_height_and_width_that_the_graph_takes_is_right(network: Path) -> None:
    assert read_model(_changed(network, [1, 3, 240, 50])).input_shape == (1, 3, 240, 50)


def test_a_model_that_takes_whole_numbers_is_refused(network: Path) -> None:
    model = onnx.load(network)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    onnx.save(model, network)
    with pytest.raises(ModelError, match=r"^m\.onnx takes UINT8 images, but qpareto feeds FLOAT from 0 to 1"):
        read_model(network)
