"""What can be done with a study, as functions: every command calls one of these, and so may a script."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..errors import StudyError
from ..objectives.measurement import Measurement
from ..objectives.quantization.calibrate import structure_of_model
from ..objectives.store import Store
from ..spaces.calibration import CalibrationChoice
from ..spaces.candidate import Candidate
from ..spaces.layers import layers_of_model
from ..spaces.masks import LayerMask
from ..spaces.model import read_model
from .results import Point, Results, results_of_study
from .run.prepare import identity_of_study, model_of_spec, scorer_of_spec, space_of_spec
from .run.worker import Listener, Silence, Worker
from .ship.choice import Choice, chosen
from .ship.package import Package, write_package
from .spec import StudySpec
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
    """
    scorer = scorer_of_spec(spec)
    space = space_of_spec(spec, scorer.layers)
    study = open_study(spec, identity=identity_of_study(scorer, space))
    scorer = replace(scorer, unit_ms=study.reference_ms(lambda: scorer.reference_ms))
    worker = Worker(spec=spec, study=study, scorer=scorer, space=space, listener=listener or Silence())
    worker.run(trials=trials or spec.search.trials, timeout_s=timeout_s)
    return results_of_study(study)


def results(spec: StudySpec) -> Results:
    """What a study has found so far."""
    return results_of_study(open_study(spec))


def measure_candidate(
    spec: StudySpec, *, mask: str, calibration: str | None = None, keep: Path | None = None
) -> Measurement:
    """Measure one candidate completely, outside of any study.

    Args:
        mask: `none`, `all`, a mask's word, or a file with the name of one INT8 layer a line.
        calibration: METHOD:SIZE; may be None for the mask `none`, where it has no effect.
        keep: a folder, not there yet, to leave the quantized ONNX, the engine and a manifest in.
    """
    choice = CalibrationChoice.parse(calibration) if calibration else None
    scorer = scorer_of_spec(spec, calibration_size=choice.size if choice else 1)
    wanted = _mask_of_text(mask, [layer.name for layer in scorer.layers])
    if choice is None and wanted:
        raise StudyError("A mask with INT8 layers needs a calibration: add --calibration METHOD:SIZE, such as max:64.")
    candidate = Candidate(choice or CalibrationChoice("max", 1), wanted)
    package = Package(folder=keep, scorer=scorer, candidate=candidate) if keep else None
    quantized = scorer.quantize(candidate)
    measurement = scorer.measure(candidate, quantized)
    if package is not None:
        write_package(package, measurement, sentence=f"{candidate}, as asked.")
    return measurement


def layers_of_study_or_model(path: Path, overrides: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The layers of a study's model, or of an ONNX file: `name`, `op`, `block`, `macs`, `weights`, `quantizable`."""
    if path.suffix in (".onnx", ".pt"):
        model, store = read_model(path), Store(StudySpec.model_fields["cache"].default.expanduser())
    else:
        spec = load_study_file(path, overrides)
        store = Store(spec.cache)
        model = model_of_spec(spec, store)
    found = layers_of_model(model.path)
    quantizable = set(structure_of_model(model, store).layers)
    return [asdict(layer) | {"quantizable": layer.name in quantizable} for layer in found]


def export_from_study(spec: StudySpec, choice: Choice, folder: Path) -> tuple[Point, str]:
    """Write the chosen trial's engine, quantized ONNX and manifest to a folder that is not there yet.

    Returns:
        The winner, and why it is the one.
    """
    winner, sentence = chosen(results(spec), choice)
    scorer = scorer_of_spec(spec)
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
    return LayerMask.from_word(layers, text)
