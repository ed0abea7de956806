"""What makes each kind of entry of the store, and which version its key tells.

    python tests/entry_versions.py

records the code as it is now, in entry_versions.json. Run it when that code has changed, after you have asked
yourself whether what it makes may differ, and raised the version if it may.
"""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from qpareto.objectives import clock, steps
from qpareto.objectives.accuracy import evaluate
from qpareto.objectives.accuracy.data import image_files, images
from qpareto.objectives.engines import engine_kind, timings
from qpareto.objectives.quantization import (
    asymmetric,
    batch_proof,
    bias,
    calibrate,
    checkpoints,
    float_range,
    sensitivity,
)
from qpareto.objectives.quantization.reading import model_file
from qpareto.search.run import known
from qpareto.search.show import trial_cache

ROOT = Path(__file__).resolve().parents[1]
RECORD = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Made:
    """A kind of entry.

    Args:
        version: the name that its key is told, and where it stands.
        by: what decides what it holds, beside its key's inputs: modules, or functions and classes of them.
    """

    where: object
    version: str
    by: tuple[str, ...]

    @property
    def number(self) -> int:
        return int(attrgetter(self.version)(self.where))

    @property
    def code(self) -> str:
        """A hash of that code: comments, docstrings, imports and layout aside."""
        return hashlib.sha256("\n".join(shape(node_of(name)) for name in self.by).encode()).hexdigest()[:16]


ACCURACY, ENGINES, QUANTIZATION = "objectives.accuracy", "objectives.engines", "objectives.quantization"
DATA, HEADS = "objectives.accuracy.data", "objectives.accuracy.heads"


def _of(room: str, *names: str) -> list[str]:
    return [f"{room}{name}" for name in names]


TIMED = ("objectives.steps:time", "objectives.steps:_timed", "objectives.latency.paired")
ENTRIES = {
    "accuracy": Made(
        evaluate,
        "SCORING",
        (
            *_of(f"{HEADS}.", "head", "head_kinds", "plain_heads", "shaped_heads", "undecoded_heads", "class_head"),
            *_of(f"{HEADS}.", "boxes", "nms", "shapes"),
            *_of(f"{ACCURACY}.", "evaluate", "tasks", "truths", "matcher", "coco", "top1", "sample"),
            *("objectives.accuracy.data.labelled_shapes", "objectives.tensors"),
        ),
    ),
    "batch-proofs": Made(batch_proof, "_RECIPE", (*_of(f"{QUANTIZATION}.", "batch_proof", "batch", "batch_shapes"),)),
    "calibrated": Made(
        calibrate,
        "CALIBRATING",
        (
            *_of(f"{QUANTIZATION}.calibrate:", "_calibrate", "_carry_metadata", "CalibrationFeeds", "_quantize"),
            *_of(f"{QUANTIZATION}.calibrate:", "_quantize_with_own_ranges", "write_calibration_cache"),
            f"{QUANTIZATION}.ranges",
            "objectives.tensors",
        ),
    ),
    "calibrated of asymmetric": Made(
        asymmetric,
        "ROUNDING",
        (*_of(f"{QUANTIZATION}.", "asymmetric", "meeting", "calibrate:_quantize_asymmetrically"),),
    ),
    "bias-correction": Made(
        bias, "SHIFTING", ("objectives.quantization.bias", "objectives.quantization.calibrate:_shift")
    ),
    "contact-sheets": Made(trial_cache, "DRAWING", ("search.ship.drift:EnginePair.draw", f"{ACCURACY}.contact_sheet")),
    "engines of openvino": Made(
        engine_kind("openvino"),
        "recipe",
        (
            *_of(f"{ENGINES}.openvino.kind:", "OpenVinoKind.build", "_set_batch", "_save"),
            f"{ENGINES}.openvino.splits",
        ),
    ),
    "engines of tensorrt": Made(
        engine_kind("tensorrt"),
        "recipe",
        (
            *_of(f"{ENGINES}.tensorrt.kind:TensorRtKind.", "build", "_config"),
            *_of(f"{ENGINES}.tensorrt.", "options", "typing", "graph", "factors", "opset"),
            f"{ENGINES}.half",
        ),
    ),
    "engines of tensorrt_rtx": Made(
        engine_kind("tensorrt_rtx"),
        "recipe",
        (
            *_of(f"{ENGINES}.tensorrt.kind:TensorRtKind.", "build", "_config"),
            f"{ENGINES}.tensorrt.rtx:RtxOptions",
            f"{ENGINES}.tensorrt.options:BuilderOptions",
            f"{ENGINES}.tensorrt.typing:StronglyTyped",
            *_of(f"{ENGINES}.", "tensorrt.graph", "half"),
        ),
    ),
    "exported": Made(checkpoints, "EXPORTING", (f"{QUANTIZATION}.checkpoints:_export",)),
    "float-range": Made(float_range, "RANGING", (f"{QUANTIZATION}.float_range", "objectives.tensors")),
    "gains": Made(known, "GAINS", ("search.run.known:_gains", "objectives.latency.gain")),
    "grey": Made(calibrate, "CALIBRATING", (f"{QUANTIZATION}.calibrate:structure_of_model",)),
    "image-sizes": Made(
        image_files, "SIZES", (*_of(f"{DATA}.image_files:", "_look", "_peak", "decode", "_is_truncated_jpeg"),)
    ),
    "letterboxed": Made(
        images,
        "LETTERBOXING",
        (*_of(f"{DATA}.images:", "letterbox", "_fill"), f"{DATA}.image_files:decode"),
    ),
    "models": Made(
        model_file,
        "READING",
        (
            *_of(
                f"{QUANTIZATION}.",
                *_of("reading.", "model_file", "files", "floats", "nodes", "sizes"),
                "batch",
                "batch_shapes",
            ),
        ),
    ),
    "reference-ms": Made(steps, "TIMING", TIMED),
    "sensitivity": Made(
        sensitivity,
        "_VERSION",
        (
            f"{QUANTIZATION}.sensitivity:_measure",
            f"{QUANTIZATION}.variants",
            f"{ACCURACY}.output_error",
            f"{HEADS}.boxes",
        ),
    ),
    "spread": Made(
        clock,
        "SPREAD",
        (
            "objectives.score:Scorer.spread",
            "objectives.score:Scorer._pairs_to_time",
            "objectives.clock:Clock.spread",
            "objectives.latency.spread",
        ),
    ),
    "timings": Made(timings, "TIMINGS", (f"{ENGINES}.timings:share_timings",)),
}


def node_of(name: str) -> ast.AST:
    """The module, or what of it stands after a colon."""
    module, _, inner = name.partition(":")
    node: ast.AST = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    for part in inner.split(".") if inner else ():
        node = next(each for each in ast.iter_child_nodes(node) if getattr(each, "name", None) == part)
    return node


def shape(node: object) -> str:
    """A syntax tree as text that is the same in every version of Python: what it computes, not how it is told."""
    if isinstance(node, list):
        return f"[{','.join(shape(each) for each in node if not _is_told(each))}]"
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
        return f"{type(node).__name__}({','.join(f'{name}={shape(value)}' for name, value in fields)})"
    return repr(node)


def _is_told(node: object) -> bool:
    """Whether a statement is a docstring or an import."""
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return text or isinstance(node, ast.Import | ast.ImportFrom)


def record() -> dict[str, dict[str, object]]:
    """What was recorded."""
    found: dict[str, dict[str, object]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def present() -> dict[str, dict[str, object]]:
    """The same, of the code as it is."""
    return {kind: {"version": made.number, "code": made.code} for kind, made in ENTRIES.items()}


if __name__ == "__main__":
    RECORD.write_text(json.dumps(present(), indent=1) + "\n", encoding="utf-8")
