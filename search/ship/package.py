"""The folder that is handed over: engine, quantized ONNX, a manifest of figures and hashes, a README."""

from __future__ import annotations

import datetime
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import StudyError
from ...objectives.measurement import Measurement
from ...objectives.score import Scorer
from ...objectives.store import file_hash, made_aside
from ...spaces.candidate import Candidate
from .choice import figures

MANIFEST_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Package:
    """What is to be written, and where; refused at birth if the folder is there already.

    Args:
        folder: written whole or not at all.
        float_type: of the engine, where it differs from the scorer's own.
    """

    folder: Path
    scorer: Scorer
    candidate: Candidate
    float_type: str | None = None

    def __post_init__(self) -> None:
        if self.folder.exists():
            raise StudyError(f"{self.folder} is there already: name a folder that is not, so that nothing is lost.")


def write_package(package: Package, measurement: Measurement, *, sentence: str) -> None:
    """Write the folder aside and rename it into place.

    Args:
        sentence: why this engine was chosen.

    Raises:
        StudyError: what would be built here and now is not what was measured.
        DiskError: the folder cannot be written.
    """
    quantized = package.scorer.quantize(package.candidate)
    versions = package.scorer.kind.versions()
    measured = {name: measurement.versions.get(name) for name in versions}
    if (quantized.graph_hash, versions) != (measurement.graph_hash, measured):
        raise StudyError(
            f"{package.candidate} would not be the engine that was measured (graph {measurement.graph_hash} by "
            f"{measured}, now {quantized.graph_hash} by {versions}): install those versions, or measure it anew."
        )
    engine = package.scorer.engine(quantized, float_type=package.float_type)
    with made_aside(package.folder) as folder:
        shutil.copytree(engine, folder / "engine")
        (folder / "quantized.onnx").write_bytes(quantized.model.SerializeToString())
        (folder / "README.md").write_text(_readme(measurement, sentence), encoding="utf-8")
        manifest = _manifest(folder, measurement, sentence)
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _manifest(folder: Path, measurement: Measurement, sentence: str) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "format": MANIFEST_FORMAT,
        "qpareto": __version__,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "chosen": sentence,
        "measurement": measurement.as_json(),
        "files": {str(path.relative_to(folder)): file_hash(path) for path in files},
    }


def _readme(measurement: Measurement, sentence: str) -> str:
    low, high = measurement.latency_ratio_ci
    return f"""# A quantized detector

{sentence}

- {figures(measurement)}; 95 % interval of the ratio {low:.3f} to {high:.3f}.
- Measured on {measurement.device} ({measurement.engine}, {measurement.float_type} outside of INT8,
  batch {measurement.batch}, {measurement.threads} threads) over {measurement.images} images.
  Latency is the engine's own: without pre- and postprocessing.
- {len(measurement.int8_layers)} layers in INT8, calibrated by {measurement.calibration or "nothing"}.

`engine/` is what was measured, `quantized.onnx` what it was built from, `manifest.json` every figure, version and hash.
"""
