"""A Q/DQ graph of another tool is built, timed and scored by the steps of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from command_line import Outcome, qpareto
from networks import SIZE, small_network


class Noise(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
    def __init__(self) -> None:
        self._left = list(np.random.default_rng(0).random((4, 1, 3, SIZE, SIZE), dtype=np.float32))

    def get_next(self) -> dict[str, Any] | None:
        return {"images": self._left.pop()} if self._left else None


def printed(outcome: Outcome) -> Any:
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


@pytest.fixture
def model(study_file: Path) -> Path:
    return study_file.parent / str(yaml.safe_load(study_file.read_text())["model"])


def test_a_graph_that_onnx_runtime_quantized_is_measured(study_file: Path, model: Path, tmp_path: Path) -> None:
    int8 = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8, "op_types_to_quantize": ["Conv"]}
    quantize_static(model, tmp_path / "ort.onnx", Noise(), quant_format=QuantFormat.QDQ, **int8)
    found = printed(qpareto("measure", study_file, "--onnx", tmp_path / "ort.onnx", "--json"))
    ours = printed(qpareto("measure", study_file, "--mask", "all", "--calibration", "max:2", "--json"))
    assert (found["int8_layers"], found["calibration"]) == (ours["int8_layers"], None)
    assert found["engine_bytes"] == pytest.approx(ours["engine_bytes"], rel=0.3)
    assert found["graph_hash"] != ours["graph_hash"]
    assert found["parity"]["boxes"] > 0, "it was held against what ONNX Runtime makes of that graph"


def test_what_is_no_such_graph_of_the_model_is_told(study_file: Path, model: Path, tmp_path: Path) -> None:
    said = qpareto("measure", study_file, "--onnx", model).sentence
    assert f"{model.name} has no DequantizeLinear: name a Q/DQ graph" in said
    other = onnx.load(small_network(tmp_path / "other.onnx"))
    for value in (other.graph.input[0], other.graph.output[0]):
        value.type.tensor_type.shape.dim[2].dim_value *= 2
    other.graph.node.append(onnx.helper.make_node("DequantizeLinear", ["byte", "one"], ["unread"]))
    for array, name in ((np.int8(1), "byte"), (np.float32(1), "one")):
        other.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), name))
    onnx.save(other, tmp_path / "other.onnx")
    said = qpareto("measure", study_file, "--onnx", tmp_path / "other.onnx").sentence
    assert "other.onnx turns [1, 3, 128, 64] to [[1, 24, 2048]], but the study's model [1, 3, 64, 64] to" in said


def test_one_thing_is_measured_at_a_time(study_file: Path) -> None:
    assert "by one of --mask and --onnx" in qpareto("measure", study_file).sentence
    assert "by one of --mask and --onnx" in qpareto("measure", study_file, "--mask", "all", "--onnx", "a.onnx").sentence
    said = qpareto("measure", study_file, "--onnx", "a.onnx", "--profile").sentence
    assert "--onnx goes without --calibration, --keep, --build-only and --profile" in said
