"""Trains YOLO11n-seg, -pose or -cls on drawn pictures, on a CPU; writes best.pt, best.onnx and scores.json.

    python benchmarks/tasks/train_tasks.py segment build/segment --epochs 6

The folder holds `data`, as draw.py writes it. What is trained begins with the weights of the quickstart's detector,
wherever a layer is the same; called again it goes on from best.pt. Needs Ultralytics, under AGPL-3.0, and so is the
model that it trains.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
import ultralytics
from onnx import numpy_helper
from ultralytics import YOLO

DETECTOR = Path(__file__).resolve().parents[2] / "studies" / "quickstart" / "shapes-yolo11n.onnx"
TOPOLOGIES = {"segment": "yolo11n-seg", "pose": "yolo11n-pose", "classify": "yolo11n-cls"}
SIZES = {"segment": 256, "pose": 256, "classify": 64}  # pixels, both ways, of what the model sees
LOOKED_AT = 64  # pictures that the batch normalization begins with
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "optimizer": "AdamW",
    "lr0": 0.002,
    "lrf": 0.05,
    "cos_lr": True,
    "warmup_epochs": 0.3,
    "amp": False,
    "workers": 0,
    "device": "cpu",
    "plots": False,
    "mosaic": 0.0,  # the pictures' own clutter and overlap do that work
    "hsv_h": 0.0,
    "scale": 0.1,
    "translate": 0.05,
}
OF_CLASSES: dict[str, Any] = {"scale": 0.3, "auto_augment": None, "erasing": 0.0}  # `scale`: of random crops
VALIDATED: dict[str, Any] = {"rect": False, "batch": 1, "conf": 0.001, "iou": 0.7, "workers": 0, "plots": False}


def beginning(task: str, folder: Path) -> Path:
    """A checkpoint to train from: best.pt, or an untrained model with the detector's weights, as begin.pt."""
    if (folder / "best.pt").exists():
        return folder / "best.pt"
    topology = f"{TOPOLOGIES[task]}.yaml"
    whole = YOLO(topology, task=task)
    torch.manual_seed(0)
    whole.model = type(whole.model)(topology, nc=12, verbose=False)  # as many classes as the detector has
    whole.model.task, whole.model.args = task, whole.overrides
    take_weights(whole.model, some_images(folder / "data", SIZES[task]))
    whole.save(folder / "begin.pt")
    return folder / "begin.pt"


def some_images(data: Path, size: int) -> torch.Tensor:
    """Training pictures, squeezed into a square: (n, 3, size, size), RGB, 0 to 1."""
    found = sorted(data.glob("**/train/**/*.jpg"))[:: max(1, len(list(data.glob("**/train/**/*.jpg"))) // LOOKED_AT)]
    read = [cv2.resize(cv2.imread(str(path)), (size, size))[..., ::-1] for path in found[:LOOKED_AT]]
    return torch.from_numpy(np.stack(read).transpose(0, 3, 1, 2).copy()).float() / 255


def take_weights(model: torch.nn.Module, images: torch.Tensor) -> None:
    """The detector's weights, in whose convolutions batch normalization is already part, where a layer is the same.

    Mean and variance are then those that `images` have there, and what scales and shifts undoes them: the values
    are the detector's, and training can go on.
    """
    weights = {w.name: numpy_helper.to_array(w) for w in onnx.load(DETECTOR).graph.initializer}
    named = dict(model.named_modules())
    classifies = "model.10.linear" in named  # then its attention comes a block earlier than the detector's
    normalized = []
    with torch.no_grad():
        for name, module in named.items():
            theirs = name.replace("model.9.", "model.10.") if classifies else name
            weight = weights.get(f"{theirs}.weight")
            if not isinstance(module, torch.nn.Conv2d) or weight is None or weight.shape != tuple(module.weight.shape):
                continue
            bias = torch.from_numpy(weights[f"{theirs}.bias"].copy()) if f"{theirs}.bias" in weights else None
            norm = named.get(f"{name.removesuffix('.conv')}.bn") if name.endswith(".conv") else None
            module.weight.copy_(torch.from_numpy(weight.copy()))
            if module.bias is not None and bias is not None:
                module.bias.copy_(bias)
            elif norm is not None and bias is not None:
                norm.bias.copy_(bias)
                norm.running_var.fill_(1 - norm.eps)
                normalized.append(norm)
        normalize_as_seen(model, normalized, images)


def normalize_as_seen(model: torch.nn.Module, layers: Sequence[Any], images: torch.Tensor) -> None:
    """Give each layer the mean and variance of its input, its output unchanged."""
    seen: dict[Any, tuple[torch.Tensor, torch.Tensor]] = {}

    def look(layer: Any, inputs: tuple[torch.Tensor]) -> None:
        seen[layer] = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3))

    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    model.eval()(images)
    for hook in hooks:
        hook.remove()
    for layer, (mean, variance) in seen.items():
        layer.running_mean.copy_(mean)
        layer.running_var.copy_(variance)
        layer.weight.copy_((variance + layer.eps).sqrt())
        layer.bias.add_(mean)


def train(task: str, folder: Path, epochs: int, settings: dict[str, Any]) -> None:
    """Train on, and keep the best checkpoint as best.pt."""
    model = YOLO(beginning(task, folder), task=task)
    own = SETTINGS | (OF_CLASSES if task == "classify" else {"cache": "ram"}) | settings
    model.train(
        data=str(data_of(task, folder)),
        imgsz=SIZES[task],
        epochs=epochs,
        project=str(folder.resolve()),
        name="training",
        exist_ok=True,
        **own,
    )
    shutil.copy(model.trainer.best, folder / "best.new")
    (folder / "best.new").replace(folder / "best.pt")


def data_of(task: str, folder: Path) -> Path:
    """What Ultralytics is told for `data`."""
    return (folder / "data").resolve() if task == "classify" else (folder / "data" / "data.yaml").resolve()


def export(task: str, folder: Path) -> None:
    """best.onnx: static, batch 1."""
    YOLO(folder / "best.pt").export(format="onnx", imgsz=SIZES[task], simplify=False, device="cpu")


def scores(task: str, folder: Path) -> dict[str, Any]:
    """Ultralytics' own figures of best.pt and best.onnx on the val pictures."""
    return {
        "ultralytics": ultralytics.__version__,
        "settings": VALIDATED | {"imgsz": SIZES[task]},
        **{name: figures(task, folder / name, data_of(task, folder)) for name in ("best.pt", "best.onnx")},
    }


def figures(task: str, model: Path, data: Path) -> dict[str, float]:
    """mAP50-95 of boxes and of masks or key points; top-1 and top-5 of a classifier."""
    where = {"project": str(model.parent.resolve()), "name": "validation", "exist_ok": True}
    found = YOLO(model, task=task).val(data=str(data), imgsz=SIZES[task], device="cpu", **VALIDATED, **where)
    return {key: round(float(value), 5) for key, value in found.results_dict.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=list(TOPOLOGIES))
    parser.add_argument("folder", type=Path, help="where `data` lies and results go")
    parser.add_argument("--epochs", type=int, default=6, help="0 only exports and scores (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="pictures a step (default: %(default)s)")
    parser.add_argument("--lr0", type=float, default=SETTINGS["lr0"], help="learning rate (default: %(default)s)")
    parser.add_argument("--freeze", type=int, help="so many of the first blocks stay as they are")
    given = parser.parse_args()
    torch.set_num_threads(2)
    if given.epochs:
        settings = {"batch": given.batch, "lr0": given.lr0, "freeze": given.freeze}
        train(given.task, given.folder, given.epochs, settings)
    export(given.task, given.folder)
    text = json.dumps(scores(given.task, given.folder), indent=2)
    (given.folder / "scores.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
