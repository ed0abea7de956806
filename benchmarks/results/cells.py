"""How figures, engines and models are written in published tables."""

from __future__ import annotations

from kept_peers import Scored
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.tensorrt.kind import TensorRtKind
from qpareto.objectives.interval import Interval
from qpareto.search import wording
from qpareto.search.results.points import Point
from qpareto.search.show.view import StudyView

MODELS = {  # how a study's name begins -> its model; figures of reconstructed weights are never shown without saying so
    "yolov5n-": "YOLOv5n (official weights)",
    "yolo11n-": "YOLO11n (reconstructed weights)",
    "yolo11m-": "YOLO11m",
    "shapes-yolo11m-": "YOLO11m trained on drawn shapes",
    "quickstart": "the quickstart's YOLO11n, trained on drawn shapes",
}
IMAGES = {"-coco-": "COCO val2017", "shapes-": "drawn shapes"}  # what a study's name holds -> where its images are from
BASELINES = {
    "modelopt-max": "ModelOpt `max`, all layers INT8",
    "modelopt-entropy": "ModelOpt `entropy`, all layers INT8",
    "ultralytics": "Ultralytics' INT8 export: `max`, the head's last layers float",
    "bf16": "BF16, no INT8",
    "fp16": "FP16, no INT8",
}


def model_of(study: str) -> str:
    """The model's name for people; the study's own name if it is not known."""
    return next((shown for begins, shown in MODELS.items() if study.startswith(begins)), study)


def images_of(study: str) -> str:
    """' of COCO val2017', or nothing where that is not known."""
    return next((f" of {shown}" for part, shown in IMAGES.items() if part in study), "")


def device_of(view: StudyView) -> str:
    """'two threads of an AMD EPYC', or 'an NVIDIA H200 by TensorRT 8.6.1 at batch 32'."""
    found = view.results.points[0].measurement
    if isinstance(kind := engine_kind(found.engine.kind), TensorRtKind):
        library = f"{kind.title} {found.provenance.versions[kind.name]}"
        return f"an {found.provenance.device} by {library} at batch {found.engine.batch}"
    if found.engine.threads is None:
        return found.provenance.device
    count = {1: "one thread", 2: "two threads"}.get(found.engine.threads, f"{found.engine.threads} threads")
    device = found.provenance.device
    return f"{count} of an {device}" if device[:1] in "AEIOU" else f"{count} of a {device}"


def baseline_of(point: Point) -> str:
    name = point.baseline or ""
    if name == "float":
        return f"float ({point.measurement.engine.float_type.upper()})"
    return BASELINES.get(name, name)


def change(found: Scored) -> str:
    """'-0.0173 (-0.0285 to -0.0094)'."""
    return wording.with_interval(found.change, wording.change)


def ratio(found: Scored) -> str:
    """'0.456 (0.446 to 0.469)*'; the star marks a doubtful timing."""
    told = wording.with_interval(found.ratio, wording.ratio)
    return f"{told}{'*' if found.flags else ''}"


def speedup(found: Scored) -> str:
    """'2.19x (2.13x to 2.24x)*', likewise."""
    value, low, high = found.ratio
    told = wording.with_interval(Interval(value, high, low), wording.speedup)
    return f"{told}{'*' if found.flags else ''}"


def unit_ms(view: StudyView) -> float:
    """The reference's milliseconds, in which the study tells latencies."""
    return view.results.points[0].measurement.timing.unit_ms
