"""The README of an exported folder: for whoever receives it and has neither qpareto nor the study."""

from __future__ import annotations

from ...objectives.accuracy.drift import Drift
from ...objectives.accuracy.heads.head_kinds import HEADS
from ...objectives.accuracy.metrics import TOP1, Metric
from ...objectives.latency.timing import Timing
from ..results.figures import AFRESH, SEARCHED, in_words
from ..table import markdown
from ..wording import accuracy, change, int8_in_words, interval, ratio, slow_run
from .drift import drift_tables
from .manifest import Manifest

CHANGED = "changed.jpg"  # the picture of the images that changed most


def readme(manifest: Manifest) -> str:
    """The whole text."""
    title = f"# A quantized {'classifier' if _is_classifier(manifest) else 'detector'}"
    parts = [title, manifest.chosen, _numbers(manifest), "## How to run it", _how_to_run(manifest)]
    if manifest.drift is not None:
        parts += ["## What changes against the reference", _drift(manifest.drift, manifest.measurement.accuracy.metric)]
    parts += ["## What is here", _contents(manifest), "## Is it still what was measured?", _verify(manifest)]
    return "\n\n".join(parts) + "\n"


def _is_classifier(manifest: Manifest) -> bool:
    return manifest.measurement.accuracy.metric is TOP1


def _numbers(manifest: Manifest) -> str:
    found = manifest.measurement
    lines = [
        *_measured(manifest),
        f"- {int8_in_words(found.engine)}, calibrated by {found.engine.calibration or 'nothing'}; "
        f"{found.engine.float_type} outside of INT8.",
        f"- Measured on {found.provenance.device} ({found.engine.kind}, {found.engine.run_by}) over "
        f"{found.accuracy.images} images. Latency is the engine's own: without pre- and postprocessing.",
    ]
    if found.timing.flags:
        lines.append(f"- The timing is doubtful: {', '.join(found.timing.flags)}.")
    if manifest.afresh:
        lines.append("- Built anew and measured in full for this folder.")
    else:
        lines.append("- **Not measured anew** for this folder: an engine of the same graph was measured.")
    if earlier := _earlier(manifest):
        lines.append(f"- Other measurements of these weights, which the above replace: {'; '.join(earlier)}.")
    return "\n".join(lines)


def _earlier(manifest: Manifest) -> list[str]:
    """What else was measured in the study, with a word where it is from."""
    figures, found, again = manifest.figures, manifest.measurement, manifest.confirmed
    sources = {figures.accuracy_from, figures.latency_from} if figures else {AFRESH if manifest.afresh else SEARCHED}
    told = []
    if manifest.afresh and figures and figures.accuracy_from != AFRESH:
        scored = found.accuracy
        figure = f"{accuracy(scored.value)} ({change(scored.change.value)})"
        told.append(f"{scored.label} {figure} on {scored.images} images at export")
    if manifest.searched is not None and SEARCHED not in sources:
        told.append(f"{in_words(manifest.searched)} in the search, which chose by them")
    if again is not None and sources & {AFRESH, SEARCHED}:
        told.append(f"{in_words(again)} when it was confirmed on {again.accuracy.images} images")
    return told


def _measured(manifest: Manifest) -> list[str]:
    """The figures that count, with their intervals; outside of a study the only ones."""
    found, figures = manifest.measurement, manifest.figures
    ratio_of = figures.ratio if figures else found.timing.ratio
    change_of = figures.change if figures else found.accuracy.change
    beside, (value, *_) = next(iter(found.accuracy.beside.items()))
    return [
        f"- **{figures.words if figures else in_words(found)}**; 95 % intervals: of the ratio "
        f"{interval(ratio_of, ratio)}, of the change {interval(change_of, change)}.",
        f"- {beside} {accuracy(value)} on {found.accuracy.images} images; {_slow_runs(found.timing)}; "
        f"{found.engine.bytes >> 10} KiB.",
    ]


def _slow_runs(found: Timing) -> str:
    """What older programs measured has one percentile only, without a bound."""
    if found.p90.ms is None:
        return f"95 of 100 runs within {ratio(found.p95_ms)} ms"
    return (
        f"90 of 100 runs within {slow_run(found.p90)} ms and 99 of 100 within {slow_run(found.p99)} ms, in brackets "
        "the bound at 99 % confidence"
    )


def _how_to_run(manifest: Manifest) -> str:
    first = manifest.engine.files[0].path
    engine = manifest.measurement.engine
    shape = f"{[engine.batch, *manifest.model.input_shape[1:]]}, {manifest.model.preprocessing}"
    if manifest.layout == "ultralytics":
        name = first.split("/", maxsplit=1)[0]
        task = HEADS[manifest.model.head].task.name
        return (
            f'```python\nfrom ultralytics import YOLO\n\nYOLO("{name}", task="{task}")("image.jpg")\n```\n\n'
            f"{_ultralytics_remark(manifest)}"
        )
    if manifest.layout == "triton":
        return (
            "```console\n$ tritonserver --model-repository triton\n```\n\n"
            f"The model is `best`; its input `{manifest.model.input_name}` is {shape}."
        )
    return (
        f"`{first}` is an engine of {engine.kind} as its library writes it; its input "
        f"`{manifest.model.input_name}` is {shape}. Its outputs are those of a {manifest.model.head} head."
    )


def _ultralytics_remark(manifest: Manifest) -> str:
    if manifest.engine.options.kind == "openvino":
        return (
            "Ultralytics lets OpenVINO choose threads and float type, so its milliseconds are not those above; on "
            "processors with BF16 float layers run in that."
        )
    return f"The plan runs on {manifest.device} with the versions in `manifest.json`, and on nothing else for sure."


def _drift(drift: Drift, metric: Metric) -> str:
    shift = drift.confidence
    lines = [
        f"- **Confidence**: F1 is best at {shift.best:.2f} ({shift.best_f1:.3f}); the reference's is at "
        f"{shift.reference_best:.2f} ({shift.reference_best_f1:.3f}). Left there, this engine's F1 is "
        f"{shift.f1_kept:.3f}.",
        f"- **Images**: of {drift.images_seen}, {drift.images_changed} changed at that confidence.",
    ]
    parts = ["\n".join(lines), *map(markdown, drift_tables(drift, metric))]
    if drift.images:
        parts.append(f"![The reference's detections, and this engine's]({CHANGED})")
    return "\n\n".join(parts)


def _contents(manifest: Manifest) -> str:
    engine = ", ".join(f"`{file.path}`" for file in manifest.engine.files)
    return (
        f"- {engine}: the engine{' that was measured' if manifest.afresh else ''}.\n"
        f"{_picture(manifest)}"
        "- `quantized.onnx`: what it was built from. Without its Q/DQ pairs it is the reference.\n"
        f"{_timing_cache(manifest)}"
        "- `manifest.json`: every figure, version and hash (SHA-256, as `sha256sum` prints it)."
    )


def _timing_cache(manifest: Manifest) -> str:
    if manifest.engine.timing_cache is None:
        return ""
    return f"- `{manifest.engine.timing_cache}`: what kernels took; `verify` builds the reference by it.\n"


def _picture(manifest: Manifest) -> str:
    if manifest.drift is None or not manifest.drift.images:
        return ""
    return f"- `{CHANGED}`: the images that changed most; what is true white, what is found orange.\n"


def _verify(manifest: Manifest) -> str:
    images = "--images DIR --annotations FILE   # the evaluation images, in COCO format"
    if _is_classifier(manifest):
        images = "--data DIR   # the evaluation images, in a folder for each class"
    return (
        "```console\n$ pip install qpareto\n"
        f"$ qpareto verify . {images}\n```\n\n"
        f"It checks every hash, loads the engine, and measures again on {manifest.data.images_seen} images; `--quick` "
        "stops before measuring."
    )
