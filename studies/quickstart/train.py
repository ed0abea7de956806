"""Trains YOLO11 from scratch on drawn pictures, exported to ONNX with its score beside it.

As it stands it makes the quickstart's model, in minutes on a GPU. Nobody needs to run it to use the quickstart: its
result is `shapes-yolo11n.onnx` in this folder. Needs Ultralytics (`pip install qpareto[yolo]`), under AGPL-3.0, and so
is the model that it trains.

    python studies/quickstart/train.py --work build/quickstart-training --out studies/quickstart

Another topology is trained so; `--minutes` ends it by the clock, `--set` changes what Ultralytics is told:

    python studies/quickstart/train.py --work build/training --out build --model yolo11m --size 640 --minutes 6
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import torch
import ultralytics
import yaml

from parts import split
from pictures import SIZE, STUDY_COUNTS, draw_training_set

STARTED = time.monotonic()
AFTERWARDS_S = 40  # of --minutes: the last validation, export and score
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "optimizer": "AdamW",
    "lr0": 0.002,
    "cos_lr": True,
    "mosaic": 0.0,  # the generator's own clutter and overlap do that work
    "flipud": 0.5,
    "amp": False,  # true wants a download for its check, and where there is no network does without
    "cache": "ram",
    "workers": 12,
    "plots": False,
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is trained, on what, and for how long."""

    model: str = "yolo11n"  # a topology that Ultralytics knows
    size: int = SIZE  # pixels, both ways
    pictures: int = 10000
    evaluation: int = STUDY_COUNTS["eval"]  # pictures that the score is of
    epochs: int = 30
    batch: int = 128
    minutes: float | None = None  # for all of it, from the start of the program; decides on the epochs instead
    settings: dict[str, Any] = field(default_factory=dict)  # of Ultralytics, over SETTINGS

    @property
    def name(self) -> str:
        return f"shapes-{self.model}"


def train(recipe: Recipe, data: Path, work: Path) -> tuple[Path, int]:
    """Train on a data.yaml; the checkpoint that scored best on its val pictures, and how many epochs were begun."""
    model = ultralytics.YOLO(f"{recipe.model}.yaml")
    settings = SETTINGS | recipe.settings
    if recipe.minutes is not None:
        settings["time"] = recipe.minutes / 60  # hours; the callback says how many are left
        model.add_callback("on_train_start", lambda trainer: set_time_left(trainer, recipe.minutes))
    model.train(
        data=str(data),
        project=str(work),
        name="training",
        imgsz=recipe.size,
        epochs=recipe.epochs,
        batch=recipe.batch,
        **settings,
    )
    return Path(model.trainer.best), model.trainer.epoch + 1


def set_time_left(trainer: Any, minutes: float) -> None:
    """Ultralytics fits its epochs and its learning rate to the time that it is given for training alone."""
    left_s = 60 * minutes - AFTERWARDS_S - (time.monotonic() - STARTED)
    trainer.args.time = max(left_s, 1.0) / 3600


def trained(checkpoint: Path, *, fp16_weights: bool) -> Any:
    """The model of a checkpoint; if asked for, as it will be exported: fused, and each weight one that FP16 holds."""
    model = ultralytics.YOLO(checkpoint)
    if fp16_weights:
        model.fuse()
        for weight in model.model.parameters():
            weight.data = weight.data.half().float()
    return model


def export(model: Any, recipe: Recipe, onnx_path: Path) -> None:
    """Static ONNX, batch 1, with Ultralytics' metadata less the paths of the machine that trained it."""
    written = model.export(format="onnx", imgsz=recipe.size, opset=13, simplify=False, device="cpu")
    graph = onnx.load(written)
    for entry in graph.metadata_props:
        if entry.key == "description":
            topology = recipe.model.replace("yolo", "YOLO")
            entry.value = f"{topology} trained on the drawn shapes of the qpareto quickstart"
    onnx.save(graph, onnx_path)


def score(model: Any, recipe: Recipe, data: Path) -> dict[str, float]:
    """What the float model scores on the eval pictures by Ultralytics' own count."""
    torch.backends.cudnn.allow_tf32 = False
    # rect=True would pad every picture by half a stride, and score what the exported model cannot take.
    boxes = model.val(data=str(data), split="test", imgsz=recipe.size, batch=1, rect=False, plots=False).box
    return {"map50_95": round(float(boxes.map), 4), "map50": round(float(boxes.map50), 4)}


def circumstances(recipe: Recipe, epochs: int, onnx_path: Path) -> dict[str, Any]:
    """What it took to get there."""
    return {
        **asdict(recipe),
        "epochs": epochs,
        "settings": SETTINGS | recipe.settings,
        "sha256": hashlib.sha256(onnx_path.read_bytes()).hexdigest(),
        "seconds": round(time.monotonic() - STARTED),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "versions": {name: version(name) for name in ("torch", "ultralytics-opencv-headless", "onnx", "numpy")},
    }


def make_model(recipe: Recipe, work: Path, out: Path, *, fp16_weights: bool) -> None:
    """Pictures and checkpoints go into `work`; the model and its score, with FP16 weights its parts too, into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    counts = {"train": recipe.pictures, "val": 400, "eval": recipe.evaluation}
    data = draw_training_set(work / "pictures", counts, size=recipe.size)
    checkpoint, epochs = train(recipe, data, work)
    model, onnx_path = trained(checkpoint, fp16_weights=fp16_weights), out / f"{recipe.name}.onnx"
    export(model, recipe, onnx_path)
    if fp16_weights:
        split(onnx_path)
    facts = score(model, recipe, data) | circumstances(recipe, epochs, onnx_path)
    text = json.dumps(facts, indent=2)
    (out / f"{recipe.name}.json").write_text(text + "\n")
    print(text)


def setting(text: str) -> tuple[str, Any]:
    """Of KEY=VALUE, the value read as YAML."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is no setting: write it as {text}=VALUE")
    return key, yaml.safe_load(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--work", type=Path, required=True, help="a new folder for pictures and checkpoints (1 GB)")
    add("--out", type=Path, required=True, help="where the model and its score go")
    add("--model", default=Recipe.model, help="the topology (default: %(default)s)")
    add("--size", type=int, default=Recipe.size, help="pixels, both ways (default: %(default)s)")
    add("--pictures", type=int, default=Recipe.pictures, help="to train on (default: %(default)s)")
    add("--evaluation", type=int, default=Recipe.evaluation, help="pictures to score on (default: %(default)s)")
    add("--epochs", type=int, default=Recipe.epochs, help="without --minutes (default: %(default)s)")
    add("--batch", type=int, default=Recipe.batch, help="pictures a step (default: %(default)s)")
    add("--minutes", type=float, help="for drawing, training and export together: as many epochs as fit")
    add("--fp16-weights", action="store_true", help="round the weights to what FP16 holds, and split the file")
    add("--set", type=setting, action="append", default=[], metavar="KEY=VALUE", help="a setting of Ultralytics")
    given = vars(parser.parse_args())
    work, out, fp16_weights = given.pop("work").resolve(), given.pop("out"), given.pop("fp16_weights")
    make_model(Recipe(settings=dict(given.pop("set")), **given), work, out, fp16_weights=fp16_weights)


if __name__ == "__main__":
    main()
