"""Ultralytics' real exporter, on an untrained model of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from qpareto.errors import ModelError
from qpareto.objectives.isolation.child import run_in_child
from qpareto.objectives.quantization.batch_proof import prove_batch
from qpareto.objectives.quantization.checkpoints import onnx_from_checkpoint
from qpareto.objectives.store import Store
from qpareto.spaces.model import read_model

pytest.importorskip("ultralytics", reason="the extra 'yolo' is not installed")


def save_untrained(path: Path, family: str = "yolo11n") -> None:
    """Run in a child process, so that torch stays out of this one."""
    from ultralytics import YOLO

    model = YOLO(f"{family}.yaml", task="detect")
    model.model.names = {i: f"kind {i}" for i in range(80)}
    model.save(path)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "own.pt"
    run_in_child(save_untrained, path, timeout_s=120, log_path=path.with_suffix(".log"))
    return path


def test_a_checkpoint_is_exported_with_its_names_and_stride(checkpoint: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    exported = onnx_from_checkpoint(checkpoint, imgsz=64, store=store)
    model = read_model(exported)
    assert model.input_shape == (1, 3, 64, 64)
    assert model.output_shapes == ((1, 84, 84),)
    assert model.class_names == tuple(f"kind {i}" for i in range(80))
    assert model.metadata["stride"] == "32"
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == ["own.log", "own.pt"]
    assert onnx_from_checkpoint(checkpoint, imgsz=64, store=store) == exported
    renamed = shutil.copyfile(checkpoint, tmp_path / "renamed.pt")
    assert onnx_from_checkpoint(renamed, imgsz=64, store=store) == exported
    wide = onnx_from_checkpoint(checkpoint, imgsz=(64, 96), store=store)
    assert read_model(wide).input_shape == (1, 3, 64, 96)


@pytest.mark.parametrize("family", ["yolo12n", "yolo26n", "yolov8n"])
def test_what_is_exported_for_one_image_takes_more(family: str, tmp_path: Path) -> None:
    """Attention over areas of an image, and a head that suppresses by itself."""
    path = tmp_path / f"{family}.pt"
    run_in_child(save_untrained, path, family, timeout_s=120, log_path=tmp_path / "log")
    exported = onnx_from_checkpoint(path, imgsz=64, store=Store(tmp_path / "store"))
    np.save(tmp_path / "pixels.npy", np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8))
    assert prove_batch(read_model(exported), tmp_path / "pixels.npy", 3, Store(tmp_path / "store")).images == 3


def test_a_file_that_is_no_checkpoint_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_text("no checkpoint")
    with pytest.raises(ModelError, match=r"could not export bad\.pt"):
        onnx_from_checkpoint(tmp_path / "bad.pt", imgsz=64, store=Store(tmp_path / "store"))


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no checkpoint"):
        onnx_from_checkpoint(tmp_path / "absent.pt", imgsz=64, store=Store(tmp_path))
