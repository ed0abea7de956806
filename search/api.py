"""What can be done with a study, as functions: every command calls one of these, and so may a script."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..errors import QParetoError, StudyError, StudyFileError
from ..objectives.engines.build import engine_bytes
from ..objectives.measurement import Measurement
from ..objectives.score import Scorer
from ..objectives.store import Store, disk_errors
from ..spaces.calibration import CalibrationChoice
from ..spaces.candidate import Candidate
from ..spaces.layers import layers_of_model
from ..spaces.masks import LayerMask
from .results import Point, Results, results_of_study
from .run.prepare import (
    MODEL_SUFFIXES,
    detector_model,
    identity_of_study,
    quantizable_layers,
    scorer_of_spec,
    space_of_spec,
)
from .run.worker import Listener, Silence, Worker
from .ship.choice import Choice, chosen
from .ship.package import Package, write_package
from .spec import DEFAULT_CACHE, StudySpec
from .storage import storage_errors
from .study import open_study
from .study_file import load_study_file


def run_study(
    spec: StudySpec, *, trials: int | None = None, timeout_s: float | None = None, listener: Listener | None = None
) -> Results:
    """Run a study, or go on with it, until it has its finished trials or the time is up.

    Args:
        trials: finished trials the study is to have, baselines included; the spec's own number if None.
        timeout_s: no trial is begun after this long.
        listener: told of every trial as it begins and ends.

    Raises:
        QParetoError: the study file, or what it names, is at fault; then the storage is as it was before.
        StorageError, DiskError: later too; what is finished is kept.
    """
    scorer = scorer_of_spec(spec)
    _check_runs(scorer)
    space = space_of_spec(spec, scorer.layers)
    identity = identity_of_study(scorer, space)
    _ = scorer.reference  # an engine that cannot be built here is told before there is a study
    with storage_errors(spec.storage):
        study = open_study(spec, identity=identity)
        scorer = replace(scorer, unit_ms=study.reference_ms(lambda: scorer.reference_ms))
        worker = Worker(spec=spec, study=study, scorer=scorer, space=space, listener=listener or Silence())
        worker.run(trials=trials or spec.search.trials, timeout_s=timeout_s)
        return results_of_study(study)


def results(spec: StudySpec) -> Results:
    """What a study has found so far.

    Raises:
        StorageError: the storage cannot be read, or there is none yet.
        StudyError: it holds no such study.
    """
    with storage_errors(spec.storage):
        return results_of_study(open_study(spec))


def build_candidate(
    spec: StudySpec, *, mask: str, calibration: str | None = None, keep: Path | None = None
) -> dict[str, Any]:
    """Build one candidate's engine and measure nothing: what a machine that cannot run its engines can do.

    Args:
        mask, calibration: as in `measure_candidate`.
        keep: a folder, not there yet, to leave the quantized ONNX and the engine in.

    Returns:
        `engine_bytes`, `seconds` of the build, `mask`, `int8_layers`, `float_type`, `engine`, `versions`.
    """
    if keep is not None and keep.exists():
        raise StudyError(f"{keep} is there already: name a folder that is not, so that nothing is lost.")
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"limit": 1})})  # no image is evaluated
    scorer, candidate = _scorer_and_candidate(spec, mask, calibration)
    quantized = scorer.quantize(candidate)
    start = time.monotonic()
    engine = scorer.engine(quantized)
    seconds = time.monotonic() - start
    if keep is not None:
        with disk_errors(keep.absolute().parent):
            shutil.copytree(engine, keep / "engine")
            (keep / "quantized.onnx").write_bytes(quantized.model.SerializeToString())
    return {
        "engine_bytes": engine_bytes(engine),
        "seconds": round(seconds, 3),
        "mask": candidate.mask.word,
        "int8_layers": list(candidate.mask),
        "float_type": scorer.options.float_type,
        "engine": scorer.options.kind,
        "versions": scorer.kind.versions(),
    }


def measure_candidate(
    spec: StudySpec, *, mask: str, calibration: str | None = None, keep: Path | None = None
) -> Measurement:
    """Measure one candidate completely, outside of any study.

    Args:
        mask: `none`, `all`, a file with the name of one INT8 layer a line, or a mask's word.
        calibration: METHOD:SIZE; may be None for the mask `none`, where it has no effect.
        keep: a folder, not there yet, to leave the quantized ONNX, the engine and a manifest in.
    """
    scorer, candidate = _scorer_and_candidate(spec, mask, calibration)
    _check_runs(scorer)
    package = Package(folder=keep, scorer=scorer, candidate=candidate) if keep else None
    quantized = scorer.quantize(candidate)
    measurement = scorer.measure(candidate, quantized)
    if package is not None:
        write_package(package, measurement, sentence=f"{candidate}, as asked.")
    return measurement


def _scorer_and_candidate(spec: StudySpec, mask: str, calibration: str | None) -> tuple[Scorer, Candidate]:
    choice = CalibrationChoice.parse(calibration) if calibration else None
    scorer = scorer_of_spec(spec, calibration_size=choice.size if choice else 1)
    wanted = _mask_of_text(mask, [layer.name for layer in scorer.layers])
    if choice is None and wanted:
        raise StudyError("A mask with INT8 layers needs a calibration: add --calibration METHOD:SIZE, such as max:64.")
    return scorer, Candidate(choice or CalibrationChoice("max", 1), wanted)


def _check_runs(scorer: Scorer) -> None:
    """Tell before anything is built that engines of this kind cannot run here."""
    found = scorer.kind.availability()
    if not found.can_run:
        raise StudyFileError(f"engine.kind={scorer.options.kind} cannot run here. {found.reason}")


def layers_of_study_or_model(path: Path, overrides: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The layers of a study's model, or of a model: `name`, `op`, `block`, `macs`, `weights`, `quantizable`.

    Args:
        path: an .onnx, a .pt, or else a study file.
        overrides: of a study file.
    """
    if path.suffix in MODEL_SUFFIXES:
        if overrides:
            raise StudyFileError(f"--set replaces keys of a study file, but {path.name} is a model: leave it out.")
        store = Store(DEFAULT_CACHE.expanduser())
        model = detector_model(path, store)
    else:
        spec = load_study_file(path, overrides)
        store = Store(spec.cache)
        model = detector_model(spec.model, store, imgsz=spec.imgsz, batch=spec.engine.batch)
    able = {layer.name for layer in quantizable_layers(model, store)}
    return [asdict(layer) | {"quantizable": layer.name in able} for layer in layers_of_model(model.path)]


def export_from_study(spec: StudySpec, choice: Choice, folder: Path) -> tuple[Point, str]:
    """Write the chosen trial's engine, quantized ONNX and manifest to a folder that is not there yet.

    Returns:
        The winner, and why it is the one.

    Raises:
        StudyError: nothing satisfies the choice, the folder is there, or what would be built here and now is not
            what the study measured.
    """
    with storage_errors(spec.storage):
        study = open_study(spec)
        found = results_of_study(study)
        winner, why = chosen(found, choice)
        sentence = " ".join([why, *found.verdict()])
        scorer = scorer_of_spec(spec)
        study.hold_to(identity_of_study(scorer, space_of_spec(spec, scorer.layers)))
    candidate = Candidate(
        CalibrationChoice.parse(winner.measurement.calibration or "max:1"),
        LayerMask.from_word([layer.name for layer in scorer.layers], winner.measurement.mask),
    )
    float_type = winner.measurement.float_type
    package = Package(folder=folder, scorer=scorer, candidate=candidate, float_type=float_type)
    write_package(package, winner.measurement, sentence=sentence)
    return winner, sentence


def _mask_of_text(text: str, layers: list[str]) -> LayerMask:
    if text in ("none", "all"):
        return LayerMask.none(layers) if text == "none" else LayerMask.all(layers)
    if Path(text).is_file():
        return LayerMask.from_file(layers, Path(text))
    try:
        return LayerMask.from_word(layers, text)
    except QParetoError as error:
        raise StudyError(f"The mask '{text}' is neither none nor all nor a file that is there: {error}") from None
