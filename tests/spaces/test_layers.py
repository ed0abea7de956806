from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from networks import small_network
from qpareto.errors import ModelError
from qpareto.spaces.layers import block_of_name, edges_of_model, layers_of_model, matching


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return small_network(tmp_path / "m.onnx")


def test_layers_come_in_graph_order_with_their_blocks(network: Path) -> None:
    found = layers_of_model(network)
    assert [layer.name for layer in found] == [n.name for n in onnx.load(network).graph.node if n.op_type == "Conv"]
    assert list(dict.fromkeys(layer.block for layer in found)) == [f"model.{i}" for i in range(5)]


def test_edges_join_layers_with_no_other_layer_between_them(network: Path) -> None:
    short = [tuple(name.removesuffix("/conv/Conv") for name in edge) for edge in edges_of_model(network)]
    assert short == [
        ("/model.0", "/model.1/cv1"),
        ("/model.1/cv1", "/model.1/cv2"),
        ("/model.1/cv1", "/model.2"),  # by the Add
        ("/model.1/cv2", "/model.2"),
        ("/model.0", "/model.2"),  # by the Concat
        ("/model.2", "/model.3/cv1"),
        ("/model.3/cv1", "/model.4/cv1"),  # by the Resize
        ("/model.1/cv1", "/model.4/cv1"),
        ("/model.1/cv2", "/model.4/cv1"),
        ("/model.0", "/model.4/cv1"),
        ("/model.4/cv1", "/model.4/cv2"),
    ]


def test_macs_and_weights_are_those_counted_by_hand(network: Path) -> None:
    first, *_, last = layers_of_model(network)
    assert (first.macs, first.weights) == (32 * 32 * 16 * 3 * 3 * 3, 16 * 3 * 3 * 3)
    assert (last.macs, last.weights) == (32 * 32 * 24 * 24, 24 * 24)


def test_macs_of_yolo11n_are_half_of_its_published_flops(shared: Path) -> None:
    layers = layers_of_model(shared / "models" / "yolo11n.onnx")
    assert len(layers) == 90
    assert 2 * sum(layer.macs for layer in layers) == pytest.approx(6.5e9, rel=0.01)  # Ultralytics' table


def test_a_product_of_two_activations_has_no_weights(shared: Path) -> None:
    products = [x for x in layers_of_model(shared / "models" / "yolo11n.onnx") if x.op == "MatMul"]
    assert [x.weights for x in products] == [0, 0]
    assert all(x.block == "model.10" for x in products)


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("/model.10/m/m.0/attn/qkv/conv/Conv", "model.10"),
        ("/model/model.2/cv1/Conv", "model.2"),
        ("/backbone/stage1/Conv", "backbone"),
        ("Conv_12", "Conv_12"),
    ],
)
def test_block_is_the_part_of_the_network_that_a_name_tells(name: str, block: str) -> None:
    assert block_of_name(name) == block


def test_nodes_without_a_name_get_distinct_ones(network: Path, tmp_path: Path) -> None:
    model = onnx.load(network)
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, tmp_path / "unnamed.onnx")
    names = [layer.name for layer in layers_of_model(tmp_path / "unnamed.onnx")]
    assert len(set(names)) == 7
    assert all(name.startswith("Conv_") for name in names)


def test_a_pattern_matches_names_from_their_start_and_whole_blocks(network: Path) -> None:
    layers = layers_of_model(network)
    assert matching(layers, ["model.1"]) == ("/model.1/cv1/conv/Conv", "/model.1/cv2/conv/Conv")
    assert matching(layers, [".*cv2/conv/Conv$"]) == ("/model.1/cv2/conv/Conv", "/model.4/cv2/conv/Conv")


@pytest.mark.parametrize(("pattern", "said"), [("model.77", "matches no layer"), ("(", "not a regular expression")])
def test_a_pattern_that_cannot_be_meant_is_refused(network: Path, pattern: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        matching(layers_of_model(network), [pattern])


def test_a_model_without_layers_is_refused(tmp_path: Path) -> None:
    from networks import NetworkWriter

    net = NetworkWriter()
    path = net.write(tmp_path / "m.onnx", net.node("Sigmoid", ["images"], "only"))
    with pytest.raises(ModelError, match="nothing to quantize"):
        layers_of_model(path)
