"""Does an evaluation take as long as its engine? Recorded outputs behind an engine that only waits, as for a GPU.

    python benchmarks/evaluation.py record --model ../shared/models/yolo11n.onnx yolo11n.npz
    python benchmarks/evaluation.py run yolo11n.npz

`record` infers images with OpenVINO and keeps what matters of the outputs. `run` needs no more than numpy, PyYAML and
pycocotools, so it can run where the other libraries are not. Its engine sleeps, takes nothing from the processors, and
returns the recorded outputs. `ratio` is an evaluation's wall time over that of the engine's calls alone, one after the
other: 1 is perfect. Every evaluation must score the same. More threads than the machine has processors show nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qpareto.objectives.accuracy.data.dataset import Dataset, ImageRecord
from qpareto.objectives.accuracy.data.evaluation_set import EvaluationSet
from qpareto.objectives.accuracy.data.images import Geometry, LetterboxedImages, letterboxed_images
from qpareto.objectives.accuracy.data.reading import dataset_from_coco
from qpareto.objectives.accuracy.evaluate import accuracy_of_engine
from qpareto.objectives.accuracy.heads import SCORE_FLOOR, Head
from qpareto.objectives.accuracy.heads.head_kinds import HEADS, head_of_model
from qpareto.objectives.engines import Engine
from qpareto.objectives.engines.build import engine_from_onnx
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.store import Store, file_hash
from qpareto.objectives.tensors import tensor_from_pixels

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
Floats = NDArray[np.float32]


class WaitingEngine(Engine):
    """Waits for as long as a device would take, and returns the recorded outputs in turn."""

    def __init__(self, outputs: Floats, *, batch: int, size: tuple[int, int], image_ms: float) -> None:
        self.input_shape = (batch, 3, *size)
        self._batches = [outputs[i : i + batch] for i in range(0, len(outputs) - batch + 1, batch)]
        self._calls, self._seconds = 0, batch * image_ms / 1e3

    def infer(self, images: Floats) -> tuple[Floats, ...]:
        time.sleep(self._seconds)
        self._calls += 1
        return (self._batches[(self._calls - 1) % len(self._batches)],)

    def load_inputs(self, batches: Iterable[Floats]) -> None:
        raise NotImplementedError

    def run_once_ms(self, turn: int = 0) -> float:
        raise NotImplementedError

    def timed_outputs(self, turn: int = 0) -> tuple[Floats, ...]:
        raise NotImplementedError

    def close(self) -> None:
        pass


def main() -> None:
    arguments = _arguments()
    if arguments.command == "record":
        _record(arguments.model, arguments.coco, arguments.limit, arguments.file)
    else:
        _run(arguments)


def _record(model_path: Path, coco: Path, limit: int, file: Path) -> None:
    from qpareto.spaces.model import read_model

    model, options = read_model(model_path), OpenVinoOptions()
    head = head_of_model(model.output_shapes, model.class_names, model.metadata)
    dataset = dataset_from_coco(coco / "images", coco / "instances.json", limit=limit)
    dataset = dataset.for_model(model.class_names, head.classes)
    with tempfile.TemporaryDirectory() as cache:
        store, (_, _, height, width) = Store(Path(cache)), model.input_shape
        images = letterboxed_images([i.path for i in dataset.images], height=height, width=width, store=store)
        with engine_from_onnx(model.path, file_hash(model.path), options, store).load() as engine:
            rows = range(len(images))
            outputs = [engine.infer(tensor_from_pixels(images.pixels[i : i + 1]))[head.output] for i in rows]
    facts = {
        "model": model_path.stem,
        "head": [head.kind, head.classes],
        "size": [height, width],
        "categories": [dataset.category_ids, dataset.category_names],
        "annotations": [dict(a) for a in dataset.annotations],
        "images": [[i.image_id, i.width, i.height] for i in dataset.images],
        "geometry": images.geometry,
    }
    np.savez_compressed(file, outputs=_forgetful(np.concatenate(outputs), head), facts=np.array(json.dumps(facts)))


def _forgetful(outputs: Floats, head: Head) -> Floats:
    """The outputs with 0 where nobody looks, scores below the floor, which then compress well."""
    if head.kind == "yolov5":
        outputs[outputs[..., 4] <= SCORE_FLOOR] = 0
        scores = outputs[..., 5:]
        scores[scores * outputs[..., 4:5] <= SCORE_FLOOR] = 0
    elif head.kind == "yolov8":
        scores = outputs[:, 4:]
        scores[scores <= SCORE_FLOOR] = 0
        outputs.transpose(0, 2, 1)[~scores.any(axis=1)] = 0
    return outputs


def _run(arguments: argparse.Namespace) -> None:
    with np.load(arguments.file, allow_pickle=False) as recorded:
        outputs, facts = recorded["outputs"], json.loads(str(recorded["facts"]))
    print(
        f"{facts['model']}, {len(outputs)} recorded images in turn, {arguments.repeats} repeats, {os.cpu_count()} "
        f"processors, Python {platform.python_version()}, numpy {np.__version__}: median ratio (lowest to highest)\n"
    )
    print("| batch | ms an image | images | " + " | ".join(f"{n} threads" for n in arguments.threads) + " |")
    print("| ---: " * (3 + len(arguments.threads)) + "|")
    for batch in arguments.batch:
        for image_ms in arguments.image_ms:
            count = int(np.clip(arguments.seconds * 1e3 / image_ms, len(outputs), 1024)) // len(outputs) * len(outputs)
            engine = partial(WaitingEngine, outputs, batch=batch, size=tuple(facts["size"]), image_ms=image_ms)
            ratios = _ratios(engine, facts, count, arguments.threads, arguments.repeats)
            cells = [f"{np.median(r):.2f} ({min(r):.2f} to {max(r):.2f})" for r in ratios]
            print(f"| {batch} | {image_ms:g} | {count} | " + " | ".join(cells) + " |", flush=True)


def _ratios(
    new_engine: Callable[[], Engine], facts: dict[str, Any], count: int, threads: Sequence[int], repeats: int
) -> list[list[float]]:
    """For each number of threads, an evaluation's wall time over the engine's alone, `repeats` times."""
    kind, classes = facts["head"]
    dataset, head = _dataset(facts, count), HEADS[kind](0, classes)
    ratios: list[list[float]] = [[] for _ in threads]
    scores = set()
    with tempfile.TemporaryDirectory() as folder:
        images = EvaluationSet(dataset=dataset, pixels=_images(Path(folder) / "pixels.npy", facts, count))
        for _ in range(repeats):
            alone = _alone(new_engine(), count)
            for n, values in zip(threads, ratios, strict=True):
                engine = new_engine()
                start = time.perf_counter()
                scores.add(accuracy_of_engine(engine, images, head, threads=n).score.value)
                values.append((time.perf_counter() - start) / alone)
    if len(scores) > 1:
        sys.exit(f"the evaluations differ: {scores}")
    return ratios


def _alone(engine: Engine, count: int) -> float:
    inputs = np.zeros(engine.input_shape, np.float32)
    start = time.perf_counter()
    for _ in range(0, count, engine.input_shape[0]):
        engine.infer(inputs)
    return time.perf_counter() - start


def _dataset(facts: dict[str, Any], count: int) -> Dataset:
    """The recorded images again and again, as `count` different ones."""
    copies, most = range(count // len(facts["images"])), max(i for i, _, _ in facts["images"]) + 1
    boxes = [{**a, "image_id": a["image_id"] + most * copy} for copy in copies for a in facts["annotations"]]
    ids, names = facts["categories"]
    return Dataset(
        name="recorded",
        images=tuple(ImageRecord(i + most * copy, Path(), w, h) for copy in copies for i, w, h in facts["images"]),
        category_ids=tuple(ids),
        category_names=tuple(names),
        annotations=tuple({**box, "id": i} for i, box in enumerate(boxes, start=1)),
        content_hash="0" * 32,
    )


def _images(path: Path, facts: dict[str, Any], count: int) -> LetterboxedImages:
    """Noise of the right size, since what an image shows changes no time here."""
    once = np.random.default_rng(0).integers(0, 256, (len(facts["images"]), *facts["size"], 3), dtype=np.uint8)
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *once.shape[1:]))
    for start in range(0, count, len(once)):
        pixels[start : start + len(once)] = once
    geometry = tuple(Geometry(*row) for row in facts["geometry"]) * (count // len(once))
    return LetterboxedImages(path, geometry, "0" * 32)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    record = commands.add_parser("record", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    record.add_argument("file", type=Path)
    record.add_argument("--model", type=Path, default=SHARED / "models" / "yolo11n.onnx")
    record.add_argument("--coco", type=Path, default=SHARED / "coco" / "eval")
    record.add_argument("--limit", type=int, default=64)
    run = commands.add_parser("run", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    run.add_argument("file", type=Path)
    run.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    run.add_argument("--image-ms", type=float, nargs="+", default=[0.5, 1, 2, 5, 30])
    run.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4, 8])
    run.add_argument("--seconds", type=float, default=0.5, help="of the engine in a repeat, if 64 to 1,024 images do")
    run.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
