"""Trains the quickstart's model: YOLO11n from scratch on drawn pictures, exported to ONNX with its score beside it.

Minutes on a GPU. Nobody needs to run it to use the quickstart: its result is `shapes-yolo11n.onnx` in this folder.
Needs Ultralytics (`pip install qpareto[yolo]`), under AGPL-3.0, and so is the model that it trains.

    python studies/quickstart/train.py --work build/quickstart-training --out studies/quickstart
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import torch
import ultralytics

from pictures import SIZE, draw_training_set

NAME = "shapes-yolo11n"
PICTURES, EPOCHS, BATCH, SEED = 10000, 30, 128, 0


def train(data: Path, work: Path) -> Path:
    """Train on a data.yaml; the path of the checkpoint that scored best on its val pictures."""
    model = ultralytics.YOLO("yolo11n.yaml")
    model.train(
        data=str(data),
        project=str(work),
        name="training",
        imgsz=SIZE,
        epochs=EPOCHS,
        batch=BATCH,
        seed=SEED,
        optimizer="AdamW",
        lr0=0.002,
        cos_lr=True,
        mosaic=0.0,  # the generator's own clutter and overlap do that work
        flipud=0.5,
        amp=False,  # its check wants a download, and FP32 is quick enough
        cache="ram",
        workers=12,
        plots=False,
    )
    return Path(model.trainer.best)


def export(checkpoint: Path, onnx_path: Path) -> None:
    """Static ONNX, batch 1, with Ultralytics' metadata less the paths of the machine that trained it."""
    written = ultralytics.YOLO(checkpoint).export(format="onnx", imgsz=SIZE, opset=13, simplify=False, device="cpu")
    graph = onnx.load(written)
    for entry in graph.metadata_props:
        if entry.key == "description":
            entry.value = "YOLO11n trained on the drawn shapes of the qpareto quickstart"
    onnx.save(graph, onnx_path)


def score(checkpoint: Path, data: Path) -> dict[str, Any]:
    """What the float model scores on the eval pictures by Ultralytics' own count, and what it took to get there."""
    model = ultralytics.YOLO(checkpoint)
    # rect=True would pad every picture by half a stride, and score what the exported model cannot take.
    boxes = model.val(data=str(data), split="test", imgsz=SIZE, batch=1, rect=False, plots=False).box
    return {
        "map50_95": round(float(boxes.map), 4),
        "map50": round(float(boxes.map50), 4),
        "pictures": PICTURES,
        "epochs": EPOCHS,
        "batch": BATCH,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "versions": {name: version(name) for name in ("torch", "ultralytics-opencv-headless", "onnx", "numpy")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a new folder for pictures and checkpoints (1 GB)")
    parser.add_argument("--out", type=Path, required=True, help="where the model and its score go")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    data = draw_training_set(work / "pictures", PICTURES)
    checkpoint = train(data, work)
    export(checkpoint, arguments.out / f"{NAME}.onnx")
    text = json.dumps(score(checkpoint, data), indent=2)
    (arguments.out / f"{NAME}.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
