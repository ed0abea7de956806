"""The parts of a manifest: what it tells of a model, a mask, an engine, and how both figures were measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, PlainValidator

from ...objectives.accuracy.heads.head_kinds import HEADS
from ...objectives.accuracy.heads.own_heads import PATH
from ...objectives.accuracy.metrics import MAP, TOP1, Metric
from ...objectives.interval import Interval
from ...objectives.measurement import Measurement
from ...spaces.preprocessing import USUAL, Preprocessing
from ..results.figures import Figures
from ..study_file.engine_section import StoredOptions


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
