"""How an engine lies in the folder that is handed over, and how it comes out of there again as it was built."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from ...errors import StudyError
from ...objectives.accuracy.heads import Head
from ...objectives.engines import EngineOptions
from ...objectives.store.seal import seal
from ...spaces.model import DetectorModel
from .facts import EngineFile
from .triton import MODEL_FILES, triton_config, why_not_triton
from .ultralytics import ultralytics_header, ultralytics_metadata, why_not_ultralytics

Layout = Literal["ultralytics", "raw", "triton"]
STEM = "best"


@dataclass(frozen=True, kw_only=True)
class BuiltEngine:
    """An engine, and what its readers must know of it.

    Args:
        folder: as it was built.
        class_names: by class index.
        graph: the quantized onnx.ModelProto that it was built from.
        graph_hash: under which its figures are shared: of that graph before it was given the engine's batch.
    """

    folder: Path
    options: EngineOptions
    model: DetectorModel
    head: Head
    class_names: Sequence[str]
    graph: Any
    graph_hash: str

    @property
    def files(self) -> list[Path]:
        """Without what only describes it, in JSON: the manifest does that."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".json")


def layout_for(wanted: Layout | None, kind: str, model: DetectorModel, head: Head) -> Layout:
    """The layout that was asked for; if none was, Ultralytics' where it reads such an engine, else the raw one.

    Raises:
        StudyError: who reads the layout that was asked for does not read such an engine.
    """
    obstacles = {"ultralytics": why_not_ultralytics(kind, model, head), "triton": why_not_triton(kind), "raw": None}
    if wanted is None:
        return "raw" if obstacles["ultralytics"] else "ultralytics"
    if reason := obstacles[wanted]:
        raise StudyError(f"There is no export as {wanted} of this engine, since {reason}: use --format raw.")
    return wanted


def lay_out(layout: Layout, engine: BuiltEngine, folder: Path) -> tuple[EngineFile, ...]:
    """Write an engine into an existing folder; returns where each of its files lies."""
    return {"raw": _raw, "ultralytics": _for_ultralytics, "triton": _for_triton}[layout](engine, folder)


def restore(files: Sequence[EngineFile], folder: Path, engine_dir: Path) -> None:
    """Write an engine's files into an empty folder as they were built, and seal it there: the inverse of `lay_out`."""
    for file in files:
        target = engine_dir / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with (folder / file.path).open("rb") as source, target.open("wb") as stream:
            source.seek(file.offset_bytes)
            shutil.copyfileobj(source, stream)
    seal(engine_dir)


def _raw(engine: BuiltEngine, folder: Path) -> tuple[EngineFile, ...]:
    places = {path: Path("engine") / path.relative_to(engine.folder) for path in engine.files}
    return _copied(engine, places, folder)


def _for_ultralytics(engine: BuiltEngine, folder: Path) -> tuple[EngineFile, ...]:
    metadata = ultralytics_metadata(
        engine.model,
        engine.head,
        engine.class_names,
        batch=engine.options.batch,
        ours={"graph_hash": engine.graph_hash, "float_type": engine.options.float_type},
    )
    if engine.options.kind == "tensorrt":
        (plan,) = engine.files
        header = ultralytics_header(metadata)
        (folder / f"{STEM}.engine").write_bytes(header + plan.read_bytes())
        return (EngineFile(path=f"{STEM}.engine", name=plan.name, offset_bytes=len(header)),)
    inner = Path(f"{STEM}_openvino_model")
    files = _copied(engine, {path: inner / path.name for path in engine.files}, folder)
    (folder / inner / "metadata.yaml").write_text(yaml.safe_dump(metadata, sort_keys=False), encoding="utf-8")
    return files


def _for_triton(engine: BuiltEngine, folder: Path) -> tuple[EngineFile, ...]:
    model, file = Path("triton") / STEM, MODEL_FILES[engine.options.kind]
    shapes = zip(engine.graph.graph.output, engine.model.output_shapes, strict=True)
    config = triton_config(
        STEM,
        engine.options,
        inputs={engine.model.input_name: (engine.options.batch, *engine.model.input_shape[1:])},
        outputs={port.name: (engine.options.batch, *shape[1:]) for port, shape in shapes},
    )
    places = {path: model / "1" / (file + path.suffix) for path in engine.files}
    files = _copied(engine, places, folder)
    (folder / model / "config.pbtxt").write_text(config, encoding="utf-8")
    return files


def _copied(engine: BuiltEngine, places: Mapping[Path, Path], folder: Path) -> tuple[EngineFile, ...]:
    """Copy the engine's files to their places in the folder."""
    for path, place in places.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / place)
    return tuple(
        EngineFile(path=place.as_posix(), name=path.relative_to(engine.folder).as_posix())
        for path, place in places.items()
    )
