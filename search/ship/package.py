"""The folder that is handed over: engine, quantized ONNX, a manifest of figures and hashes, a README."""

from __future__ import annotations

import datetime
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import StudyError
from ...objectives.engines import EngineOptions
from ...objectives.engines.ref import EngineRef
from ...objectives.libraries import onnxruntime_distribution
from ...objectives.measurement import Measurement
from ...objectives.quantization.apply_mask import QuantizedModel
from ...objectives.quantization.graph import graph_hash, scales_hash
from ...objectives.score import Scorer
from ...objectives.store import made_aside
from ...spaces.candidate import Candidate
from ..study_file.spec import DataSpec
from .drift import EnginePair
from .facts import (
    CalibrationFacts,
    DataFacts,
    EngineFacts,
    EngineFile,
    MapFigures,
    MaskFacts,
    ModelFacts,
    StudyFacts,
    TimingFacts,
    TopFigures,
)
from .layouts import BuiltEngine, Layout, lay_out, layout_for
from .manifest import Manifest, sha256_of
from .readme import CHANGED, readme

TIMING_CACHE = "timing.cache"
_LIBRARIES = ("numpy", "onnx", "opencv-python-headless", "pycocotools", "optuna")


@dataclass(frozen=True, kw_only=True)
class Story:
    """Where an engine comes from, as `Manifest` states it."""

    chosen: str
    afresh: bool
    study: StudyFacts | None = None
    searched: Measurement | None = None
    confirmed: Measurement | None = None
    figures: MapFigures | TopFigures | None = None


@dataclass(frozen=True, kw_only=True)
class Package:
    """What is to be written, and where; refused at birth if the folder is there already.

    Args:
        folder: written whole or not at all.
        data: what the scorer's images come from.
        float_type: of the engine, where it differs from the scorer's own.
        layout: Ultralytics' where it reads such an engine, else the raw one, if None.
    """

    folder: Path
    scorer: Scorer
    candidate: Candidate
    data: DataSpec
    float_type: str | None = None
    layout: Layout | None = None

    def __post_init__(self) -> None:
        if self.folder.exists():
            raise StudyError(f"{self.folder} is there already: name a folder that is not, so that nothing is lost.")
        _ = self.chosen_layout

    @cached_property
    def chosen_layout(self) -> Layout:
        scorer = self.scorer
        return layout_for(self.layout, scorer.options.kind, scorer.model, scorer.head)


def write_package(package: Package, measurement: Measurement, story: Story) -> Manifest:
    """Write the folder aside and rename it into place.

    Raises:
        StudyError: what would be built here and now is not what was measured.
        DiskError: the folder cannot be written.
    """
    scorer = package.scorer
    quantized = scorer.quantize(package.candidate)
    _refuse_another(package, quantized, measurement)
    engine = scorer.engine(quantized, float_type=package.float_type)
    built = BuiltEngine(
        folder=engine.folder,
        options=_portable(engine.options),
        model=scorer.model,
        head=scorer.head,
        class_names=scorer.model.class_names or scorer.images.dataset.category_names,
        graph=scorer.built_graph(quantized),
        graph_hash=quantized.graph_hash,
    )
    with made_aside(package.folder) as folder:
        files = lay_out(package.chosen_layout, built, folder)
        facts = _engine_facts(scorer, built, files, timing_cache=_copied_timing_cache(scorer, folder))
        (folder / "quantized.onnx").write_bytes(built.graph.SerializeToString())
        manifest = _manifest(package, built, facts, measurement, story=story)
        if manifest.drift is not None and manifest.drift.images:
            _pair(scorer, built).draw(manifest.drift, folder / CHANGED)
        (folder / "README.md").write_text(readme(manifest), encoding="utf-8")
        manifest = manifest.model_copy(update={"files": _hashes(folder)}).sealed()
        manifest.save(folder)
    return manifest


def _refuse_another(package: Package, quantized: QuantizedModel, measurement: Measurement) -> None:
    versions = package.scorer.kind.versions()
    measured = {name: measurement.provenance.versions.get(name) for name in versions}
    if (quantized.graph_hash, versions) != (measurement.engine.graph_hash, measured):
        raise StudyError(
            f"{package.candidate} would not be the engine that was measured (graph {measurement.engine.graph_hash} by "
            f"{measured}, now {quantized.graph_hash} by {versions}): install those versions, or measure it anew."
        )


def _manifest(
    package: Package, built: BuiltEngine, engine: EngineFacts, measurement: Measurement, *, story: Story
) -> Manifest:
    scorer, mask = package.scorer, package.candidate.mask
    return Manifest(
        qpareto=__version__,
        written=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        layout=package.chosen_layout,
        model=_model_facts(scorer),
        mask=MaskFacts(
            word=mask.word,
            int8_layers=tuple(mask),
            float_layers=tuple(name for name in mask.layers if name not in set(mask)),
        ),
        calibration=_calibration_facts(package, built) if mask else None,
        data=_data_facts(package),
        engine=engine,
        timing=TimingFacts(
            ci_width=scorer.budget.ci_width, max_seconds=scorer.budget.max_seconds, max_wait_s=scorer.load.max_wait_s
        ),
        device=scorer.kind.device_name(),
        versions=_versions(measurement.provenance.versions),
        measurement=measurement,
        **vars(story),
        drift=_pair(scorer, built).drift(),
        files={},
    )


def _engine_facts(
    scorer: Scorer, built: BuiltEngine, files: tuple[EngineFile, ...], *, timing_cache: str | None
) -> EngineFacts:
    return EngineFacts(
        recipe=scorer.kind.recipe,
        options=built.options,
        reference_options=_portable(scorer.build_options()),
        reference_graph_hash=graph_hash(scorer.built_graph(scorer.reference_graph())),
        files=files,
        timing_cache=timing_cache,
    )


def _copied_timing_cache(scorer: Scorer, folder: Path) -> str | None:
    """Its name in the folder; None where the engine was built without one."""
    cache = scorer.kind.timing_cache(scorer.options)
    if cache is None or not cache.is_file():
        return None
    shutil.copyfile(cache, folder / TIMING_CACHE)
    return TIMING_CACHE


def _model_facts(scorer: Scorer) -> ModelFacts:
    model, head = scorer.model, scorer.head
    return ModelFacts(
        file=model.path.name,
        hash=model.content_hash,
        input_name=model.input_name,
        input_shape=model.input_shape,
        class_names=model.class_names,
        head=head.kind,
        head_output=head.output,
        head_classes=head.classes,
        preprocessing=model.preprocessing,
    )


def _calibration_facts(package: Package, built: BuiltEngine) -> CalibrationFacts:
    choice = package.candidate.calibration
    return CalibrationFacts(
        method=choice.method,
        size=choice.size,
        image_hashes=package.scorer.calibration.hashes[: choice.size],
        scales_hash=scales_hash(built.graph),
        bias_correction=choice.bias_correction,
    )


def _data_facts(package: Package) -> DataFacts:
    data, dataset = package.data, package.scorer.images.dataset
    return DataFacts(
        name=dataset.name,
        images_seen=len(dataset.images),
        hash=dataset.content_hash,
        images=data.images,
        annotations=data.annotations,
        yaml=data.yaml,
        folder=data.folder,
        limit=data.limit,
        bad_images=data.bad_images,
        classes=data.classes,
    )


def _pair(scorer: Scorer, built: BuiltEngine) -> EnginePair:
    return EnginePair(scorer=scorer, engine=EngineRef(built.folder, built.options), reference=scorer.reference())


def _portable(options: EngineOptions) -> EngineOptions:
    """Without a folder of this machine."""
    return replace(options, shared_dir=None)


def _versions(measured: Mapping[str, str]) -> dict[str, str]:
    libraries: dict[str, Any] = {name: version(name) for name in _LIBRARIES} | dict([onnxruntime_distribution()])
    return {**measured, **libraries, "python": platform.python_version(), "system": platform.platform()}


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
