"""The snippets of docs/shipping.md, run on an exported engine as a reader would run them."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

USE = Path(__file__).resolve().parents[3] / "examples" / "use"
IMAGES = 3
Found = list[tuple[int, list[float]]]  # class, [left, top, right, bottom]


def found_by(script: str, engine: Path, image: Path, aside: Path) -> Found:
    """The detections that a script prints, a line each: class, score, box."""
    environment = os.environ | {"YOLO_CONFIG_DIR": str(aside), "YOLO_OFFLINE": "true"}
    command = [sys.executable, str(USE / script), str(engine), str(image)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=aside)
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines() if line.endswith("]")]
    return [(int(index), ast.literal_eval(box)) for index, _, box in lines]


def drawn(folder: Path) -> dict[Path, Found]:
    """What is in the first images of the quickstart's data."""
    told = json.loads((folder / "instances.json").read_text())
    order = sorted(entry["id"] for entry in told["categories"])
    images: dict[Path, Found] = {}
    for entry in told["images"][:IMAGES]:
        boxes = [a for a in told["annotations"] if a["image_id"] == entry["id"]]
        images[folder / "images" / entry["file_name"]] = [
            (order.index(a["category_id"]), np.add(a["bbox"], [0, 0, *a["bbox"][:2]]).tolist()) for a in boxes
        ]
    return images


def overlap(one: list[float], other: list[float]) -> float:
    """Intersection over union."""
    (a, b), (c, d) = np.array(one).reshape(2, 2), np.array(other).reshape(2, 2)
    inner = float(np.prod(np.clip(np.minimum(b, d) - np.maximum(a, c), 0, None)))
    return inner / (float(np.prod(b - a)) + float(np.prod(d - c)) - inner)


def share_found(script: str, engine: Path, folder: Path, aside: Path) -> float:
    """Of all drawn shapes, the share that has a detection of its class at an overlap of 0.5."""
    hits = []
    for image, truth in drawn(folder).items():
        found = found_by(script, engine, image, aside)
        hits += [any(c == index and overlap(b, box) > 0.5 for c, b in found) for index, box in truth]
    return float(np.mean(hits))


def test_the_openvino_snippet_finds_what_is_drawn(exported: Path, shapes: Path, tmp_path: Path) -> None:
    engine = exported / "best_openvino_model" / "engine.xml"
    assert share_found("with_openvino.py", engine, shapes / "eval", tmp_path) > 0.6


def test_the_ultralytics_snippet_finds_what_is_drawn(exported: Path, shapes: Path, tmp_path: Path) -> None:
    pytest.importorskip("ultralytics", reason="needs Ultralytics: pip install 'qpareto[yolo]'")
    assert share_found("with_ultralytics.py", exported / "best_openvino_model", shapes / "eval", tmp_path) > 0.6


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_cpp_snippet_compiles_and_runs(exported: Path, manifest: Any, tmp_path: Path) -> None:
    import openvino

    package = Path(openvino.__file__).parent
    (library,) = (package / "libs").glob("libopenvino.so.*")
    program = tmp_path / "with_openvino"
    flags = ["-std=c++17", f"-I{package / 'include'}", f"-Wl,-rpath,{library.parent}"]
    words = [*flags, USE / "with_openvino.cpp", library]
    subprocess.run(["g++", *map(str, words), "-o", str(program)], check=True, capture_output=True)
    done = subprocess.run(
        [program, exported / "best_openvino_model" / "engine.xml"], check=True, capture_output=True, text=True
    )
    classes = len(manifest.model.class_names)
    assert done.stdout.startswith(f"[1,{4 + classes},")
