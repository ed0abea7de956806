"""What does scoring cost on top of inference? Pictures, boxes and pycocotools against the engine alone.

    python benchmarks/scoring.py --model ../shared/models/yolo11n.onnx --repeats 7

Each repeat infers all images with nothing beside it, one call after the other (`alone`: the sum of the calls), and
then scores the engine as a study does (`whole`). Engine and letterboxed images are ready beforehand. `others` is the
share of the machine's CPU time that other processes used: above a few percent, the ratio is not to be trusted.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from qpareto.objectives.accuracy.data.evaluation_set import EvaluationSet
from qpareto.objectives.accuracy.data.images import LetterboxedImages
from qpareto.objectives.accuracy.data.reading import dataset_from_coco
from qpareto.objectives.accuracy.evaluate import accuracy_of_engine
from qpareto.objectives.accuracy.heads.head_kinds import head_of_model
from qpareto.objectives.engines import Engine, engine_kind
from qpareto.objectives.engines.build import engine_from_onnx
from qpareto.objectives.latency.telemetry import HostLoad
from qpareto.objectives.store import Store, file_hash
from qpareto.objectives.tensors import tensor_from_pixels
from qpareto.spaces.model import read_model

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


def main() -> None:
    arguments = _arguments()
    options = engine_kind(arguments.engine).options(kind=arguments.engine).with_cpu_threads(arguments.threads)
    kind, model = engine_kind(options.kind), read_model(arguments.model)
    head = head_of_model(model.output_shapes, model.class_names, model.metadata)
    dataset = dataset_from_coco(arguments.images, arguments.annotations).for_model(model.class_names, head.classes)
    load, alone, whole, others = HostLoad(), [], [], []
    with tempfile.TemporaryDirectory() as cache:
        store = Store(Path(cache))
        _, _, height, width = model.input_shape
        images = EvaluationSet.of_dataset(dataset, height=height, width=width, store=store)
        with engine_from_onnx(model.path, file_hash(model.path), options, store).load() as engine:
            _infer_all(engine, images.pixels)
            for repeat in range(arguments.repeats):
                load.wait_until_quiet()
                seconds, first = load.watched(lambda: _infer_all(engine, images.pixels))
                start = time.perf_counter()
                accuracy, second = load.watched(lambda: accuracy_of_engine(engine, images, head))
                whole.append(time.perf_counter() - start)
                alone.append(seconds)
                others.append(max(first or 0.0, second or 0.0))
                print(f"repeat {repeat + 1} of {arguments.repeats}", file=sys.stderr)
    print(
        f"{arguments.model.name}, {len(images)} images, {kind.device_name()}, {options.cpu_threads or 0} threads on "
        f"{os.cpu_count()} processors, {kind.versions()}, mAP50-95 {accuracy.score.value:.4f}"
    )
    print("            repeats   median      min      max")
    _print_row("alone, s", alone)
    _print_row("whole, s", whole)
    _print_row("ratio", [w / a for w, a in zip(whole, alone, strict=True)])
    _print_row("others", others)


def _infer_all(engine: Engine, images: LetterboxedImages) -> float:
    """Seconds inside `infer`, summed over all images."""
    pixels, batch, total = images.pixels, engine.input_shape[0], 0.0
    for start in range(0, len(pixels), batch):
        inputs = tensor_from_pixels(pixels[np.minimum(np.arange(start, start + batch), len(pixels) - 1)])
        before = time.perf_counter()
        engine.infer(inputs)
        total += time.perf_counter() - before
    return total


def _print_row(name: str, values: list[float]) -> None:
    print(f"{name:<10}  {len(values):>7}  {np.median(values):7.3f}  {min(values):7.3f}  {max(values):7.3f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=SHARED / "models" / "yolo11n.onnx")
    parser.add_argument("--images", type=Path, default=SHARED / "coco" / "eval" / "images")
    parser.add_argument("--annotations", type=Path, default=SHARED / "coco" / "eval" / "instances.json")
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
