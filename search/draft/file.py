"""The files of a drafted study: the commented study file, and the lists that part the images."""

from __future__ import annotations

import json
import os
import textwrap
from dataclasses import dataclass
from pathlib import Path

import yaml

from ...objectives.accuracy.data.classes import by_order, few_of
from ...objectives.accuracy.heads import Head
from ...objectives.accuracy.tasks import CLASSIFY
from ...objectives.engines import KINDS, EngineOptions, engine_kind
from ...spaces.calibration import METHODS
from ...spaces.model import DetectorModel
from ..study_file.spec import CalibrationSpec, SearchSpec
from .data import PartedData


@dataclass(frozen=True, kw_only=True)
class StudyDraft:
    """All that a drafted study file says.

    Args:
        source: the model as the user named it, absolute: an .onnx or a .pt.
        model: what was read of it.
        head: its head.
        imgsz: as it was asked for, if it was.
        head_named: whether the file must name it, since the model's outputs do not tell.
        preprocessing: that section, as YAML in one line, where images are not prepared as the head's family does it.
        expect_map: the accuracy that the float model is known to have, if that is known.
    """

    source: Path
    model: DetectorModel
    head: Head
    head_named: bool
    data: PartedData
    engine: EngineOptions
    imgsz: int | tuple[int, int] | None = None
    preprocessing: str | None = None
    expect_map: float | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Calibration sizes to search: the usual one, or as many images as there are."""
        return (min(*CalibrationSpec().sizes, self.data.calibrating),)


def files_of_draft(draft: StudyDraft, study: Path) -> dict[Path, str]:
    """What is to be written, the study file last. Paths below its folder are relative to it, all others absolute.

    Args:
        study: the study file's place, absolute.
    """
    files: dict[Path, str] = {}
    data, annotations, calibration = draft.data, draft.data.annotations, draft.data.calibration
    if annotations is not None and not isinstance(annotations, Path):
        written = study.with_name(f"{study.stem}-evaluation.json")
        files[written], annotations = json.dumps(annotations), written
    if isinstance(calibration, tuple):
        written = study.with_name(f"{study.stem}-calibration.txt")
        files[written] = "".join(f"{_place(path, study.parent)}\n" for path in calibration)
        calibration = written
    named = {"images": data.images, "annotations": annotations, "yaml": data.yaml, "folder": data.folder}
    named["calibration"] = calibration
    files[study] = _text(draft, study, {key: path for key, path in named.items() if path is not None})
    return files


def _text(draft: StudyDraft, study: Path, paths: dict[str, Path]) -> str:
    spot = {key: _scalar(_place(path, study.parent)) for key, path in paths.items()}
    told = {"calibration": f"{draft.data.calibrating} images: {draft.data.origin}"}
    metric, source = draft.head.task.metric, next(iter(spot))
    told[source] = f"{draft.data.scored} images, which every trial's {metric.label} is measured on"
    data = "\n".join(f"  {key}: {value}{f' # {told[key]}' if key in told else ''}" for key, value in spot.items())
    head = f"\nhead: {draft.head.kind}" if draft.head_named else ""
    imgsz = f"\nimgsz: {json.dumps(draft.imgsz)}" if draft.imgsz else ""
    head += f"\npreprocessing: {draft.preprocessing}" if draft.preprocessing else ""
    expected = "## expect_map: 0.3" if draft.expect_map is None else f"expect_map: {draft.expect_map:g}"
    return f"""\
# Drafted by `qpareto init`; it runs as it is:  qpareto run {study.name}
# Behind ## are keys that you may want next. All keys and defaults: docs/study-file.md, or `qpareto schema`.
version: 1
name: {_scalar(f"{draft.source.stem}-{draft.engine.kind}")}
{_remarks(draft)}
model: {_scalar(_place(draft.source, study.parent))}{imgsz}{head}

data:
{data}
  {expected} # the float model's {metric.label} as you know it: with less than 0.8 of it nothing is searched
  ## limit: 100 # only the first so many scored images, for a dry run
  ## confirm: # other images: the front and the baselines are measured again on them; a search picks lucky figures
{_confirm(draft)}

space:
  calibration: {_calibration(draft)}
  ## mask: {{keep_float: [NAME]}} # layers or blocks that must stay float; `qpareto layers {study.name}` names them

{_engine(draft.engine)}

objectives: [{metric.name}, latency_ms] # the more the better, and the less

# A budget. The same command goes on where a run has ended, so raise it at any time.
search:
  trials: {SearchSpec().trials} # finished ones, the baselines among them
  sampler: auto # our own; or tpe, nsga2, nsga3, gp, random, or any Optuna sampler by import path
  seed: {SearchSpec().seed}
  ## max_hours: 8 # no trial is begun later than this

storage: {_scalar(f"sqlite:///{study.stem}.db")} # an ordinary Optuna study; PostgreSQL for several machines
"""


def _remarks(draft: StudyDraft) -> str:
    """What was recognised of the model."""
    _, _, height, width = draft.model.input_shape
    names, data = draft.model.class_names, draft.data.classes
    classes = f"{draft.head.classes or len(data)} classes ({few_of(names or data)})"
    kind = draft.head.kind
    nms = " (the graph suppresses overlapping boxes itself)" if kind == "end2end" else " (no NMS in the graph)"
    text = f"The model: {width}x{height} pixels, a {kind} head{nms if draft.head.task.iou_type else ''}, {classes}."
    if draft.head.preprocessing.changed() and not draft.preprocessing:
        text += f" It takes {draft.head.preprocessing}, as its family does (see `preprocessing` in docs/study-file.md)."
    if names and set(names) != set(data) and by_order(names, data):
        other = few_of(data)
        text += f" The data names them otherwise ({other}): they are matched in the order of ids, so check that."
    return "\n".join(f"# {line}" for line in textwrap.wrap(text, 118))


def _confirm(draft: StudyDraft) -> str:
    keys = ("folder: FOLDER",) if draft.head.task is CLASSIFY else ("images: FOLDER", "annotations: FILE.json")
    return "\n".join(f"  ##   {key}" for key in keys)


def _engine(engine: EngineOptions) -> str:
    others = ", ".join(kind for kind in KINDS if kind != engine.kind)
    types = " or ".join(engine_kind(engine.kind).float_types)
    lines = [
        f"# For this machine, on which the study runs. Other kinds of engines: {others} (see `qpareto doctor`).",
        "engine:",
        f"  kind: {engine.kind}",
        f"  batch: {engine.batch} # images an inference takes; a model of batch 1 is given any",
        f"  float_type: {engine.float_type} # {types}: what layers outside of INT8 run in",
    ]
    if engine.cpu_threads is not None:
        lines.append(f"  threads: {engine.cpu_threads} # of one inference: as many as it will have where it is to run")
    return "\n".join(lines)


def _calibration(draft: StudyDraft) -> str:
    kind = engine_kind(draft.engine.kind)
    others = [one for one in METHODS if one not in kind.usual_methods and not kind.refusal_of_method(one)]
    return (
        f"{{methods: [{', '.join(kind.usual_methods)}], sizes: {list(draft.sizes)}}} "
        f"# also: {', '.join(others)}; bias_correction: [off]"
    )


def _place(path: Path, folder: Path) -> str:
    """A path as it is written into a file of this folder."""
    normal = Path(os.path.normpath(path))
    return normal.relative_to(folder).as_posix() if normal.is_relative_to(folder) else str(normal)


def _scalar(text: str) -> str:
    """A string as YAML, in one line."""
    return yaml.safe_dump(text, width=float("inf")).removesuffix("...\n").rstrip("\n")
