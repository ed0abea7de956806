from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

QUICKSTART = Path(__file__).resolve().parents[2] / "studies" / "quickstart"


def _parts() -> Any:
    """parts.py, which is a script and in no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(QUICKSTART)
        return importlib.import_module("parts")


parts = _parts()


def write_model(path: Path, **weights: Any) -> Path:
    """A model that adds each of the weights to its input."""
    value = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1])
    nodes = [helper.make_node("Add", ["images", name], [f"{name}_sum"]) for name in weights]
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    onnx.save(helper.make_model(helper.make_graph(nodes, "sums", [value], [], initializers)), path)
    return path


def weights_of(path: Path) -> dict[str, Any]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def random_weights(count: int) -> Any:
    return np.random.default_rng(0).standard_normal(count).astype(np.float32)


def test_a_joined_model_has_the_bytes_of_the_one_that_was_split(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.onnx", weight=random_weights(5000), shape=np.array([1, -1]))
    parts.split(path)
    written = path.read_bytes()
    path.unlink()
    parts.join(path)
    assert path.read_bytes() == written


def test_no_weight_changes_and_those_that_fp16_holds_take_half_the_bytes(tmp_path: Path) -> None:
    rounded = random_weights(5000).astype(np.float16).astype(np.float32)
    weights = {"rounded": rounded, "exact": random_weights(5000), "huge": np.full(32, 1e6, np.float32)}
    path = write_model(tmp_path / "model.onnx", **weights)
    (part,) = parts.split(path)
    assert 30000 < part.stat().st_size < 31000  # 5,000 times 2 and 5,000 times 4 bytes, and names
    parts.join(path)
    joined = weights_of(path)
    assert all(joined[name].dtype == np.float32 for name in weights)
    assert all(np.array_equal(joined[name], weights[name]) for name in weights)


def test_no_part_is_larger_than_it_may_be_and_older_parts_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(tmp_path / "model.onnx", weight=random_weights(5000))
    monkeypatch.setattr(parts, "PART_BYTES", 1000)
    many = parts.split(path)
    assert len(many) == 21
    assert max(part.stat().st_size for part in many) == 1000
    parts.join(path)
    assert np.array_equal(weights_of(path)["weight"], random_weights(5000))
    monkeypatch.setattr(parts, "PART_BYTES", 15000)
    few = parts.split(path)
    assert sorted(tmp_path.glob("*.part*")) == few
    assert len(few) == 2


def test_a_model_that_has_fp16_weights_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.onnx", half=np.ones(32, np.float16))
    with pytest.raises(ValueError, match="half is FP16 already"):
        parts.split(path)


def test_parts_that_are_not_there_are_missed_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no model\.onnx\.part0"):
        parts.join(tmp_path / "model.onnx")
    path = write_model(tmp_path / "model.onnx", weight=random_weights(64))
    parts.split(path)
    path.with_name("model.onnx.part0").rename(path.with_name("model.onnx.part1"))
    with pytest.raises(FileNotFoundError, match="part0"):
        parts.join(path)
