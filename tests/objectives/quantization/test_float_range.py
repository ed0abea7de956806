from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from qpareto.objectives.quantization.calibrate import CalibrationSet
from qpareto.objectives.quantization.float_range import tensors_beyond_half
from qpareto.objectives.store import Store
from qpareto.spaces.model import DetectorModel, read_model

LOUD = "/model.2/conv/Conv_output_0"


@pytest.fixture
def loud(network: DetectorModel, tmp_path: Path) -> DetectorModel:
    """The network with one bias far beyond the range that FP16 holds well."""
    model = onnx.load(network.path)
    (bias,) = (weight for weight in model.graph.initializer if weight.name == "/model.2.bias")
    values = numpy_helper.to_array(bias).copy()
    values[0] = 5000
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    onnx.save(model, tmp_path / "loud.onnx")
    return replace(read_model(tmp_path / "loud.onnx"), content_hash="loud")


def test_a_network_within_range_keeps_nothing(network: DetectorModel, images: CalibrationSet, store: Store) -> None:
    assert tensors_beyond_half(network, images, store) == ()


def test_a_tensor_beyond_the_range_is_kept_and_others_are_not(
    loud: DetectorModel, images: CalibrationSet, store: Store
) -> None:
    kept = tensors_beyond_half(loud, images, store)
    assert LOUD in kept
    assert "/model.1/cv1/conv/Conv_output_0" not in kept
    assert not list((store.root / "float-range").rglob("scratch"))


def test_it_is_decided_once_a_model(network: DetectorModel, images: CalibrationSet, store: Store) -> None:
    tensors_beyond_half(network, images, store)
    made = sorted((store.root / "float-range").iterdir())
    tensors_beyond_half(network, images, store)
    assert sorted((store.root / "float-range").iterdir()) == made
