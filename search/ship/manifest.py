"""The manifest beside an engine: everything that was measured, and what it takes to believe and repeat it.

Written once and sealed: `seal` is the SHA-256 of all the rest, so an edit by hand is noticed. That is no signature:
whoever knows this file can seal anew. `Manifest.model_json_schema()` is its JSON schema.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, PlainValidator, ValidationError

from ...errors import VerificationError
from ...objectives.accuracy.drift import Drift
from ...objectives.accuracy.heads.head_kinds import HEADS
from ...objectives.accuracy.heads.own_heads import PATH
from ...objectives.accuracy.metrics import MAP, TOP1, Metric
from ...objectives.interval import Interval
from ...objectives.measurement import Measurement
from ...spaces.preprocessing import USUAL, Preprocessing
from ..results.figures import Figures
from ..study_file.engine_section import StoredOptions

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 2


def _inside(path: str) -> str:
    """A path that stays in the folder, with slashes."""
    parts = PurePosixPath(path).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts or "\\" in path:
        raise ValueError(f"'{path}' leads out of the folder")
    return path


def _known(head: str) -> str:
    if head not in HEADS and not re.fullmatch(PATH, head):
        raise ValueError(f"'{head}' is no head that qpareto knows ({', '.join(HEADS)})")
    return head


def _measurement(found: Measurement | Mapping[str, Any]) -> Measurement:
    try:
        return found if isinstance(found, Measurement) else Measurement.from_json(found)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no measurement: {error}") from None


StoredMeasurement = Annotated[Measurement, PlainValidator(_measurement), PlainSerializer(Measurement.as_json)]
InnerPath = Annotated[str, AfterValidator(_inside)]
HeadKind = Annotated[str, AfterValidator(_known)]


class Part(BaseModel):
    """A part of the manifest: immutable."""

    model_config = ConfigDict(frozen=True)


class ModelFacts(Part):
    """The float model that was searched, and how its outputs become boxes."""

    file: str  # its name
    hash: str  # as `Provenance.model_hash`
    input_name: str
    input_shape: tuple[int, int, int, int]
    class_names: tuple[str, ...] | None  # by class index, if the model carries them
    head: HeadKind
    head_output: int
    head_classes: int | None
    preprocessing: Preprocessing = USUAL


class MaskFacts(Part):
    """Which layers are INT8, by name in graph order; the others are float."""

    word: str
    int8_layers: tuple[str, ...]
    float_layers: tuple[str, ...]


class CalibrationFacts(Part):
    """From what the scales come. Hashes are of the images' contents, in the order in which they were seen."""

    method: str
    size: int
    image_hashes: tuple[str, ...]
    scales_hash: str  # of every scale in the quantized ONNX, by tensor
    bias_correction: bool = False


class DataFacts(Part):
    """The images that accuracy was measured on, and where they lay then: paths of the machine that measured."""

    name: str
    images_seen: int
    hash: str  # as `ScoredAccuracy.dataset_hash`
    images: Path | None
    annotations: Path | None
    yaml: Path | None
    folder: Path | None = None
    limit: int | None
    bad_images: Literal["refuse", "skip"]
    classes: tuple[int | str, ...] | None = None  # that count; all if None


class EngineFile(Part):
    """A file of the engine: where it lies in this folder, its name as it was built, after how many bytes it begins."""

    path: InnerPath
    name: InnerPath
    offset_bytes: int = 0


class EngineFacts(Part):
    """How the engine was built, and the reference that its latency is a ratio to."""

    recipe: int  # of the kind of engine, see EngineKind
    options: StoredOptions
    reference_options: StoredOptions
    reference_graph_hash: str  # of the quantized ONNX without its Q/DQ pairs
    files: tuple[EngineFile, ...]
    timing_cache: InnerPath | None = None  # by which `verify` builds a reference of the same kernels


class TimingFacts(Part):
    """How long latency was measured, see LatencyBudget and HostLoad."""

    ci_width: float
    max_seconds: float
    max_wait_s: float


class StudyFacts(Part):
    """The study that found the engine. Its storage is left out: an address may hold a password."""

    name: str
    trial: int
    baseline: str | None
    objectives: tuple[str, ...]
    sampler: str
    seed: int


class FiguresFacts(Part):
    """The figures that count, and where they are from: what the sentence and the README say; accuracy in a subclass."""

    metric: ClassVar[Metric]

    images: int
    accuracy_from: str
    latency_ms: float
    latency_ratio: float
    latency_ratio_ci: tuple[float, float]
    latency_from: str
    words: str  # as they are told

    @property
    def change(self) -> Interval:
        name = f"{self.metric.name}_change"
        return Interval(getattr(self, name), *getattr(self, f"{name}_ci"))

    @property
    def ratio(self) -> Interval:
        return Interval(self.latency_ratio, *self.latency_ratio_ci)


class MapFigures(FiguresFacts):
    """Of what has COCO's average precision."""

    metric: ClassVar[Metric] = MAP

    map50_95: float
    map50_95_change: float
    map50_95_change_ci: tuple[float, float]


class TopFigures(FiguresFacts):
    """Of a classifier."""

    metric: ClassVar[Metric] = TOP1

    top1: float
    top1_change: float
    top1_change_ci: tuple[float, float]


def figures_facts(figures: Figures) -> MapFigures | TopFigures:
    """As a manifest holds them."""
    kind = MapFigures if figures.measurement.accuracy.metric is MAP else TopFigures
    return kind.model_validate({**figures.as_json(), "words": str(figures)})


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
