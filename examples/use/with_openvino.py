"""Runs an exported OpenVINO engine:  python with_openvino.py best/best_openvino_model/engine.xml image.jpg"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

CONFIDENCE, IOU = 0.25, 0.7


def letterboxed(image: Any, height: int, width: int) -> tuple[Any, float, int, int]:
    """A BGR image as the engine takes it, [1, 3, height, width] RGB 0..1; its scale, and the padding left and above."""
    scale = min(height / image.shape[0], width / image.shape[1])
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    left, top = round((width - size[0]) / 2 - 0.1), round((height - size[1]) / 2 - 0.1)
    picture = np.full((height, width, 3), 114, np.uint8)
    picture[top : top + size[1], left : left + size[0]] = cv2.resize(image, size)[:, :, ::-1]
    return picture.transpose(2, 0, 1)[None].astype(np.float32) / 255, scale, left, top


def detections(output: Any, scale: float, left: int, top: int) -> list[tuple[int, float, list[float]]]:
    """Class, score and [left, top, right, bottom] in the image, of a YOLOv8 or 11 head: [1, 4 + classes, boxes]."""
    rows = output[0].T
    classes, scores = rows[:, 4:].argmax(axis=1), rows[:, 4:].max(axis=1)
    middles, sizes = rows[:, :2], rows[:, 2:4]
    boxes = np.hstack([middles - sizes / 2, sizes])  # left, top, width, height in letterboxed pixels
    kept = cv2.dnn.NMSBoxesBatched(boxes.tolist(), scores.tolist(), classes.tolist(), CONFIDENCE, IOU)
    corners = (np.hstack([boxes[:, :2], boxes[:, :2] + sizes]) - [left, top, left, top]) / scale
    return [(int(classes[i]), float(scores[i]), corners[i].round(1).tolist()) for i in kept]


def main(model: str, path: str) -> None:
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}  # as it was measured, with the two that follow:
    settings |= {"INFERENCE_NUM_THREADS": 2, "INFERENCE_PRECISION_HINT": "f32"}  # engine.threads, engine.float_type
    engine = openvino.Core().compile_model(Path(model), "CPU", settings)
    _, _, height, width = engine.input(0).shape
    tensor, scale, left, top = letterboxed(cv2.imread(path), height, width)
    for found in detections(engine(tensor)[0], scale, left, top):
        print(*found)


if __name__ == "__main__":
    main(*sys.argv[1:])
