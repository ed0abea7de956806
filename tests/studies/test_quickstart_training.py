from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

QUICKSTART = Path(__file__).resolve().parents[2] / "studies" / "quickstart"

pytest.importorskip("ultralytics", reason="needs Ultralytics: pip install 'qpareto[yolo]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # what PyTorch says while it exports


def _train() -> Any:
    """train.py, which is a script and in no package; it imports others from its own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(QUICKSTART)
        return importlib.import_module("train")


train = _train()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained YOLO11n, as Ultralytics saves it."""
    import ultralytics

    path = tmp_path_factory.mktemp("training") / "best.pt"
    ultralytics.YOLO("yolo11n.yaml", task="detect").save(path)
    return path


def test_what_is_trained_unless_asked_otherwise_is_the_quickstarts_model() -> None:
    recipe = train.Recipe()
    assert (QUICKSTART / f"{recipe.name}.onnx").is_file()
    assert (recipe.model, recipe.size, recipe.pictures, recipe.epochs, recipe.batch) == ("yolo11n", 320, 10000, 30, 128)
    assert recipe.minutes is None


def test_settings_are_read_as_yaml() -> None:
    assert [train.setting(text) for text in ("lr0=0.001", "amp=true", "optimizer=SGD", "freeze=[0, 1]")] == [
        ("lr0", 0.001),
        ("amp", True),
        ("optimizer", "SGD"),
        ("freeze", [0, 1]),
    ]


def test_a_setting_without_a_value_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="amp is no setting: write it as amp=VALUE"):
        train.setting("amp")


def test_the_training_has_the_time_that_drawing_and_export_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = SimpleNamespace(args=SimpleNamespace(time=None))
    monkeypatch.setattr(train, "STARTED", train.time.monotonic() - 60)  # one minute went into drawing
    train.set_time_left(trainer, 6)
    assert trainer.args.time * 3600 == pytest.approx(300 - train.AFTERWARDS_S, abs=1)


def test_the_training_ends_at_once_where_no_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = SimpleNamespace(args=SimpleNamespace(time=None))
    monkeypatch.setattr(train, "STARTED", train.time.monotonic() - 600)
    train.set_time_left(trainer, 6)
    assert 0 < trainer.args.time * 3600 <= 1  # Ultralytics takes 0 for no limit


def test_a_model_with_fp16_weights_is_exported_with_these_and_scored_as_it_is(checkpoint: Path, tmp_path: Path) -> None:
    import onnxruntime
    import torch

    model = train.trained(checkpoint, fp16_weights=True)
    path = tmp_path / "model.onnx"
    train.export(model, train.Recipe(size=64), path)
    weights = [t for t in onnx.load(path).graph.initializer if t.data_type == TensorProto.FLOAT]
    assert len(weights) > 90
    for weight in map(numpy_helper.to_array, weights):
        assert np.array_equal(weight, weight.astype(np.float16))
    images = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    (exported,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"images": images})
    with torch.no_grad():
        scored = model.model.eval()(torch.from_numpy(images))[0].numpy()
    assert np.allclose(exported, scored, atol=1e-3)
