"""What can be asked about a model's layers: which there are, and what INT8 does to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import StudyFileError
from ...objectives.engines.missing_kernels import MissingKernels
from ...objectives.interval import Interval
from ...objectives.quantization.calibrate import quantizable_layers
from ...objectives.quantization.sensitivity import Sensitivity
from ...objectives.score import Scorer
from ...objectives.store import Store
from ...spaces.calibration import CalibrationChoice
from ...spaces.layers import layers_of_model
from ..run.labelled import labelled_changes
from ..run.prepare import MODEL_SUFFIXES, check_runs, detector_model, engine_options, scorer_of_spec
from ..study_file.loading import load_study_file
from ..study_file.spec import DEFAULT_CACHE


def layers_of_study_or_model(path: Path, overrides: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Layers of a study's model, or of a model: `name`, `op`, `block`, `macs`, `weights`, `quantizable`, `no_kernel`.

    `quantizable` is whether ModelOpt puts it into INT8; `no_kernel` what a build said of a layer for which the study's
    engines have no INT8 kernel on this device, otherwise None.

    Args:
        path: an .onnx, a .pt, or else a study file.
        overrides: of a study file.
    """
    if path.suffix in MODEL_SUFFIXES:
        if overrides:
            raise StudyFileError(f"--set replaces keys of a study file, but {path.name} is a model: leave it out.")
        store, missing = Store(DEFAULT_CACHE.expanduser()), {}
        model = detector_model(path, store)
    else:
        spec = load_study_file(path, overrides)
        store = spec.store()
        model = detector_model(spec.model, store, imgsz=spec.imgsz)
        missing = MissingKernels(engine_options(spec), model=model.content_hash).known()
    able = {layer.name for layer in quantizable_layers(model, store)}
    return [
        asdict(layer) | {"quantizable": layer.name in able, "no_kernel": missing.get(layer.name)}
        for layer in layers_of_model(model.path)
    ]


def sensitivity_of_study(
    path: Path, overrides: Sequence[str] = (), *, calibration: str | None = None, images: int = 8
) -> Sensitivity:
    """What turning each layer of a study's model INT8 does to its detections, without labels; measured once.

    Args:
        path: a study file.
        calibration: METHOD:SIZE; the space's first method and largest size if None.
        images: the first so many calibration images are looked at, at least 2.
    """
    scorer, choice = _sensitive(path, overrides, calibration, images=images, labels=1)  # no image is evaluated
    return scorer.sensitivity(choice, images=images)


def labelled_sensitivity_of_study(
    path: Path, overrides: Sequence[str] = (), *, calibration: str | None = None, labels: int
) -> dict[str, Interval]:
    """The change of map50_95 when one block alone runs in INT8, by block; a build and an evaluation each.

    Args:
        path, calibration: as for `sensitivity_of_study`.
        labels: the first so many evaluation images are looked at.
    """
    scorer, choice = _sensitive(path, overrides, calibration, images=1, labels=labels)
    check_runs(scorer)
    return labelled_changes(scorer, choice)


def _sensitive(
    path: Path, overrides: Sequence[str], calibration: str | None, *, images: int, labels: int
) -> tuple[Scorer, CalibrationChoice]:
    if path.suffix in MODEL_SUFFIXES:
        raise StudyFileError(f"Sensitivity needs calibration images, but {path.name} is a model: name a study file.")
    spec = load_study_file(path, overrides)
    offered = spec.space.calibration
    usual = CalibrationChoice.usual(offered.methods, offered.sizes, offered.bias_correction)
    choice = CalibrationChoice.parse(calibration) if calibration else usual
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"limit": labels})})
    return scorer_of_spec(spec, calibration_size=max(choice.size, images)), choice
