"""What can be done with one candidate, outside of any study: build it, measure it, time its layers."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import QParetoError, StudyError
from ...objectives.engines.build import engine_bytes
from ...objectives.engines.profile import LayerTime
from ...objectives.measurement import Measurement
from ...objectives.quantization.elsewhere import quantized_elsewhere
from ...objectives.score import Scorer
from ...objectives.store import disk_errors
from ...spaces.calibration import CalibrationChoice
from ...spaces.candidate import Candidate
from ...spaces.masks import LayerMask
from ..run.prepare import check_runs, scorer_of_spec
from ..ship.package import Package, Story, write_package
from ..study_file.spec import StudySpec


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
            shutil.copytree(engine.folder, keep / "engine")
            (keep / "quantized.onnx").write_bytes(scorer.built_graph(quantized).SerializeToString())
    return {
        "engine_bytes": engine_bytes(engine.folder),
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
    check_runs(scorer)
    package = Package(folder=keep, scorer=scorer, candidate=candidate, data=spec.data, layout="raw") if keep else None
    quantized = scorer.quantize(candidate)
    measurement = scorer.measure(candidate, quantized)
    if package is not None:
        write_package(package, measurement, Story(chosen=f"{candidate}, as asked.", afresh=True))
    return measurement


def measure_graph(spec: StudySpec, path: Path) -> Measurement:
    """Measure a Q/DQ graph that another tool made of the study's model, by the same steps; its calibration is unknown.

    Raises:
        ModelError: it cannot be read, is no Q/DQ graph, or is of another model.
    """
    scorer = scorer_of_spec(spec, calibration_size=1)
    check_runs(scorer)
    quantized = quantized_elsewhere(path, scorer.model, [layer.name for layer in scorer.layers])
    found = scorer.measure(Candidate(CalibrationChoice("max", 1), quantized.mask), quantized)
    return replace(found, engine=replace(found.engine, calibration=None))


def profile_candidate(spec: StudySpec, *, mask: str, calibration: str | None = None) -> tuple[LayerTime, ...]:
    """Time every layer of one candidate's engine, which is built unless somebody has.

    Args:
        mask, calibration: as in `measure_candidate`.

    Raises:
        EngineError: the kind of engine does not tell of its layers.
    """
    scorer, candidate = _scorer_and_candidate(spec, mask, calibration)
    check_runs(scorer)
    return scorer.clock().layer_times(scorer.engine(scorer.quantize(candidate)))


def _scorer_and_candidate(spec: StudySpec, mask: str, calibration: str | None) -> tuple[Scorer, Candidate]:
    choice = CalibrationChoice.parse(calibration) if calibration else None
    scorer = scorer_of_spec(spec, calibration_size=choice.size if choice else 1)
    wanted = _mask_of_text(mask, [layer.name for layer in scorer.layers])
    if choice is None and wanted:
        raise StudyError("A mask with INT8 layers needs a calibration: add --calibration METHOD:SIZE, such as max:64.")
    return scorer, Candidate(choice or CalibrationChoice("max", 1), wanted)


def _mask_of_text(text: str, layers: list[str]) -> LayerMask:
    if text in ("none", "all"):
        return LayerMask.none(layers) if text == "none" else LayerMask.all(layers)
    if Path(text).is_file():
        return LayerMask.from_file(layers, Path(text))
    try:
        return LayerMask.from_word(layers, text)
    except QParetoError as error:
        raise StudyError(f"The mask '{text}' is neither none nor all nor a file that is there: {error}") from None
