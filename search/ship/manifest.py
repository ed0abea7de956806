"""The manifest beside an engine: everything that was measured, and what it takes to believe and repeat it.

Written once and sealed: `seal` is the SHA-256 of all the rest, so an edit by hand is noticed. That is no signature:
whoever knows this file can seal anew. `Manifest.model_json_schema()` is its JSON schema.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ...errors import VerificationError
from ...objectives.accuracy.drift import Drift
from .facts import (
    CalibrationFacts,
    DataFacts,
    EngineFacts,
    InnerPath,
    MapFigures,
    MaskFacts,
    ModelFacts,
    Part,
    StoredMeasurement,
    StudyFacts,
    TimingFacts,
    TopFigures,
)

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 2


class Manifest(Part):
    """What `manifest.json` holds.

    Args:
        qpareto: version that wrote it.
        written: UTC, ISO 8601.
        chosen: why this engine, in a sentence.
        layout: how the engine lies in the folder: `ultralytics`, `raw` or `triton`.
        study: None of a candidate that was measured outside of any.
        calibration: None where no layer is INT8.
        versions: of everything that took part, libraries and drivers.
        figures: those that count of all these measurements; None outside of any study, where there is one only.
        measurement: of this engine; if not `afresh`, the study's own, of an engine of the same graph.
        afresh: whether the engine was built anew and measured in full for this folder.
        searched: what the study measured; None outside of any.
        confirmed: what the study measured once more, on images that the search never saw if it had any; else None.
        drift: what changed in the detections against the reference; None where its matches were not kept.
        files: SHA-256 (as `sha256sum` prints it) of every other file in the folder.
        seal: SHA-256 of all the above.
    """

    format: int = MANIFEST_FORMAT
    qpareto: str
    written: str
    chosen: str
    layout: Literal["ultralytics", "raw", "triton"]
    study: StudyFacts | None
    model: ModelFacts
    mask: MaskFacts
    calibration: CalibrationFacts | None
    data: DataFacts
    engine: EngineFacts
    timing: TimingFacts
    device: str
    versions: dict[str, str]
    measurement: StoredMeasurement
    afresh: bool
    searched: StoredMeasurement | None
    confirmed: StoredMeasurement | None
    figures: MapFigures | TopFigures | None = None
    drift: Drift | None
    files: dict[InnerPath, str]
    seal: str = ""

    def sealed(self) -> Manifest:
        return self.model_copy(update={"seal": _seal(self.model_dump(mode="json"))})

    def save(self, folder: Path) -> None:
        (folder / MANIFEST).write_text(json.dumps(self.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a folder that `qpareto export` wrote, if it is as it was written.

    Raises:
        VerificationError: it is missing, damaged, of another format, or was edited.
    """
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VerificationError(f"There is no {path}: name a folder that `qpareto export` wrote.") from None
    except (OSError, ValueError) as error:
        raise VerificationError(
            f"{path} is not readable JSON ({' '.join(str(error).split())}): get the folder again from where it was "
            "exported."
        ) from None
    found = document.get("format") if isinstance(document, dict) else None
    if not isinstance(found, int) or found != MANIFEST_FORMAT:
        raise VerificationError(f"{path} {_of_another_format(found)}")
    if document.get("seal") != _seal(document):
        raise VerificationError(
            f"{path} is not what was written: it was edited or damaged. Get the folder again from where it was "
            "exported."
        )
    try:
        return Manifest.model_validate(document)
    except (ValidationError, ValueError) as error:
        raise VerificationError(f"{path} is sealed but holds what it may not ({_first_line(error)}).") from None


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _seal(document: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in document.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _of_another_format(found: object) -> str:
    if isinstance(found, int) and found > MANIFEST_FORMAT:
        return (
            f"is of format {found}, but this qpareto reads format {MANIFEST_FORMAT}: install a newer qpareto, or have "
            "it exported by this one."
        )
    if isinstance(found, int) and found >= 1:
        return f"is of format {found}, which held too little to verify: export the engine again."
    return "is no manifest of qpareto's: name a folder that `qpareto export` wrote."


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
    return str(error)
