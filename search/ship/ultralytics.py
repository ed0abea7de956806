"""What Ultralytics reads beside an engine, so that `YOLO("best.engine")` runs it as one of its own exports.

Written from its format (8.4), without importing it: a TensorRT plan has a header of a 4-byte little-endian length and
so many bytes of JSON; an OpenVINO folder has a `metadata.yaml`, and a name that ends in `_openvino_model`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...objectives.accuracy.heads import Head
from ...spaces.model import DetectorModel

LOADABLE = ("openvino", "tensorrt")  # kinds of engines that Ultralytics has a backend for
READABLE = ("yolov8", "end2end", "yolov8-seg", "end2end-seg", "yolov8-pose", "end2end-pose", "classify")  # heads
STRIDE = 32  # where the model does not say

_NUMBERS = ("stride", "channels")
_LITERALS = ("args", "kpt_shape")
_OURS = "qpareto"  # the one key that Ultralytics does not know


def why_not_ultralytics(kind: str, model: DetectorModel, head: Head) -> str | None:
    """Why Ultralytics would not read an engine rightly, a clause; None if it would."""
    if kind not in LOADABLE:
        return f"Ultralytics loads {' and '.join(LOADABLE)} engines, none of kind {kind}"
    if head.kind not in READABLE:
        return f"Ultralytics reads no outputs of a {head.kind} head"
    if model.preprocessing != head.preprocessing:
        return f"Ultralytics prepares images as {head.preprocessing}, but the model takes {model.preprocessing}"
    if head.output != 0:
        return f"Ultralytics reads a model's first output, but the boxes are output {head.output}"
    if kind == "tensorrt" and model.input_name != "images":
        return f"Ultralytics wants a TensorRT engine's input to be 'images', but it is '{model.input_name}'"
    return None


def ultralytics_metadata(
    model: DetectorModel, head: Head, names: Sequence[str], *, batch: int, ours: Mapping[str, str]
) -> dict[str, Any]:
    """What the model's exporter wrote, with what is different about this engine.

    Args:
        names: of the classes, by index.
        ours: what is to stand under our own key.
    """
    _, channels, height, width = model.input_shape
    found: dict[str, Any] = {"description": "A detector quantized by qpareto", "stride": STRIDE, **model.metadata}
    for key in _NUMBERS:
        if key in found:
            found[key] = int(found[key])
    for key in _LITERALS:
        if key in found:
            found[key] = ast.literal_eval(found[key])
    return found | {
        "task": head.task.name,
        "batch": batch,
        "imgsz": [height, width],
        "names": dict(enumerate(names)),
        "channels": channels,
        "end2end": head.kind.startswith("end2end"),
        _OURS: dict(ours),
    }


def ultralytics_header(metadata: Mapping[str, Any]) -> bytes:
    """What stands before a TensorRT plan: ASCII JSON behind its length."""
    text = json.dumps(metadata).encode("ascii")
    return len(text).to_bytes(4, byteorder="little", signed=True) + text
