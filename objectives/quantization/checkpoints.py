"""Checkpoints: a `.pt` exported to ONNX by Ultralytics, with its class names and stride in the metadata."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from ...errors import ModelError
from ..isolation.child import run_in_child
from ..libraries import ultralytics_version
from ..store import Store, content_key, file_hash

EXPORTING = 1  # its version, see `content_key`
TIMEOUT_S = 1800.0
OPSET = 17
USUAL_SIZE, CLASSIFIERS_SIZE = 640, 224  # pixels, as Ultralytics trains


def onnx_from_checkpoint(path: Path, *, imgsz: int | tuple[int, int] | None, store: Store) -> Path:
    """Export a checkpoint, unless that was done before: static shapes, batch 1, float32, nothing fused away.

    Ultralytics (AGPL-3.0, the extra `yolo`) is used through its public interface, in a child process.

    Args:
        imgsz: height and width in pixels, multiples of 32; one number for both; if None 640, and of a classifier what
            it was trained at.

    Raises:
        ModelError: the file is missing, Ultralytics is not installed, or it cannot export the checkpoint.
    """
    if not path.is_file():
        raise ModelError(f"There is no checkpoint at {path}: name a .pt that Ultralytics wrote, or an .onnx.")
    if find_spec("ultralytics") is None:
        raise ModelError(
            f"{path.name} is exported by Ultralytics, which is not installed: pip install 'qpareto[yolo]'."
        )
    if imgsz is None and not _is_classifier(path):
        imgsz = USUAL_SIZE
    inputs = {
        "checkpoint": file_hash(path),
        "imgsz": imgsz,
        "batch": 1,
        "opset": OPSET,
        "ultralytics": ultralytics_version(),
    }
    key = content_key(**inputs, made_by=EXPORTING)
    log_path = store.root / "logs" / f"export-{key}.log"

    def fill(folder: Path) -> None:
        run_in_child(_export, path, imgsz, folder, timeout_s=TIMEOUT_S, log_path=log_path)

    return next(store.make("exported", key, fill, kept=True).glob("*.onnx"))  # whatever the checkpoint's name was then


def _is_classifier(path: Path) -> bool:
    """By the name of its class: a checkpoint is a ZIP file, of which nothing is unpickled here."""
    try:
        with ZipFile(path) as archive:
            pickled = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            return b"ClassificationModel" in archive.read(pickled)
    except (BadZipFile, StopIteration):
        return False


def _export(path: Path, imgsz: int | tuple[int, int] | None, folder: Path) -> None:
    """Run in a child process: leaves `<stem>.onnx` in the folder."""
    from ultralytics import YOLO

    copy = folder / path.name  # the exporter writes beside the checkpoint
    shutil.copyfile(path, copy)
    try:
        model = YOLO(copy)
        size = imgsz or model.overrides.get("imgsz") or CLASSIFIERS_SIZE
        model.export(
            format="onnx", imgsz=size, batch=1, opset=OPSET, dynamic=False, simplify=False, half=False, nms=False
        )
    except Exception as error:  # the border to Ultralytics and torch, which raise whatever they met
        raise ModelError(f"Ultralytics could not export {path.name} ({type(error).__name__}: {error}).") from error
    copy.unlink()
