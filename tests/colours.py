"""A classifier that tells colours apart, made on the spot, and folders of pictures for it: its answers are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from networks import SIZE, NetworkWriter

CHANNELS = 18
COLOURS = ("blue", "green", "red")  # sorted, as folders are; the model has them as red, green, blue


def colour_classifier(path: Path, *, names: tuple[str, ...] = COLOURS[::-1]) -> Path:
    """Two convolutions, the mean over the image, a layer of weights, softmax: the brightest channel's class is best.

    Input [1, 3, 64, 64] in RGB, output [1, 3], with the metadata of Ultralytics' exports.
    """
    net = NetworkWriter()
    first = net.conv("images", "/model.0", inputs=3, outputs=CHANNELS, kernel=1)
    second = net.conv(first, "/model.1", inputs=CHANNELS, outputs=CHANNELS, kernel=1)
    spread = np.tile(np.eye(3), (CHANNELS // 3, 1))  # each colour in a third of the channels
    weights = {
        "/model.0.weight": 4 * spread[:, :, None, None],
        "/model.1.weight": np.eye(CHANNELS)[:, :, None, None],
        "linear.weight": spread / 2,
        "linear.bias": np.zeros(3),
        **{f"/model.{layer}.bias": np.full(CHANNELS, 0.5) for layer in (0, 1)},
    }
    net.weights = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()]
    pooled = net.node("GlobalAveragePool", [second], "/model.2/pool")
    flat = net.node("Flatten", [pooled], "/model.2/Flatten", axis=1)
    logits = net.node("Gemm", [flat, "linear.weight", "linear.bias"], "/model.2/linear/Gemm")
    told = {"task": "classify", "names": str(dict(enumerate(names))), "imgsz": f"[{SIZE}, {SIZE}]", "stride": "1"}
    return net.write(path, net.node("Softmax", [logits], "/model.2/Softmax", axis=1), metadata=told)


def picture_of(colour: str, rng: np.random.Generator, *, height: int = 72, width: int = 96) -> NDArray[np.uint8]:
    """Noise that is brightest in one colour, by a lot or by a little. BGR."""
    pixels = rng.integers(0, 120, (height, width, 3))
    pixels[..., COLOURS.index(colour)] += int(rng.integers(4, 80))
    return pixels.astype(np.uint8)


def colour_folders(folder: Path, *, each: int, wrong: int = 0, seed: int = 0) -> Path:
    """`<colour>/<number>.png`, so many of each; the first few of each lie in the next colour's folder instead."""
    rng = np.random.default_rng(seed)
    for place, colour in enumerate(COLOURS):
        for number in range(each):
            name = COLOURS[(place + 1) % len(COLOURS)] if number < wrong else colour
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f"{colour}-{number}.png"), picture_of(colour, rng))
    return folder
