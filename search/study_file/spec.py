"""What a study file may hold: its keys, their types, defaults and meaning."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ...objectives.accuracy.heads.head_kinds import HEADS
from ...objectives.accuracy.heads.own_heads import PATH
from ...objectives.engines import engine_kind
from ...objectives.objective import OBJECTIVES
from ...objectives.store import Remote, Store
from ...spaces.calibration import METHODS
from ...spaces.preprocessing import Preprocessing, Three
from .engine_section import EngineSection, known_of

VERSION = 1
HEAD_NAMES = ("auto", *HEADS)
SAMPLERS = ("auto", "tpe", "nsga2", "nsga3", "gp", "random")
ELSEWHERE = r"([A-Za-z_]\w*\.)+[A-Za-z_]\w*|optunahub:[\w/-]+"  # a class by import path, a package of OptunaHub
DEFAULT_CACHE = Path("~/.cache/qpareto")
WARM_START = 8
Count = Annotated[int, Field(ge=1)]
Above0 = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A part of the study file: immutable, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EvaluationSpec(Section):
    """Images with what is to be found in them, as COCO or as Ultralytics writes it."""

    images: Path | None = Field(None, description="folder of images, with `annotations`")
    annotations: Path | None = Field(
        None, description="COCO instances JSON; images of the folder that it does not name are not scored"
    )
    yaml: Path | None = Field(
        None, description="an Ultralytics data.yaml instead of images and annotations: its val split"
    )

    folder: Path | None = Field(
        None, description="for a classifier, instead: a folder with a folder of images for each class, or with val/ so"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        pair = None if self.images is None and self.annotations is None else "images"
        if sum(source is not None for source in (pair, self.yaml, self.folder)) != 1:
            raise ValueError("name either `images` and `annotations`, or `yaml`, or `folder`")
        if (self.images is None) != (self.annotations is None):
            raise ValueError("`images` and `annotations` go together")
        return self

    @classmethod
    def of_paths(cls, images: Path | None, annotations: Path | None, data: Path | None) -> EvaluationSpec:
        """Args: data: a data.yaml, or a folder of class folders."""
        if data is not None and data.is_dir():
            return cls(folder=data)
        return cls(images=images, annotations=annotations, yaml=data)


class DataSpec(EvaluationSpec):
    """What accuracy is measured on, and what calibration sees."""

    calibration: Path = Field(description="folder or .txt list of calibration images; never evaluation images")
    confirm: EvaluationSpec | None = Field(None, description="images that the search never sees, for its finalists")
    limit: Count | None = Field(None, description="first n evaluation images only, for a dry run")
    classes: tuple[Annotated[int, Field(ge=0)] | str, ...] | None = Field(
        None,
        min_length=1,
        description="names or numbers (from 0) of the model's classes that count in the accuracy; null: all",
    )
    bad_images: Literal["refuse", "skip"] = Field(
        "refuse", description="what to do about images that cannot be decoded"
    )
    expect_map: float | None = Field(
        None,
        ge=0,
        le=1,
        description="mAP50-95 (of a classifier: top-1) that the float model is known to have: a run ends before the "
        "search where it has less than 0.8 of it, or where none is named less than 0.05 above chance; 0: no check",
    )


class CalibrationSpec(Section):
    """How ModelOpt finds the scales."""

    methods: tuple[str, ...] = Field(("mse", "entropy"), min_length=1, description=f"some of {', '.join(METHODS)}")
    sizes: tuple[Count, ...] = Field((256,), min_length=1, description="images, the first so many of one seeded order")
    bias_correction: tuple[bool, ...] = Field(
        (True,),
        min_length=1,
        description="whether the shift that INT8 gives a layer's output is taken back in its bias: on, off, or both",
    )

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        return known_of(methods, METHODS)

    @field_validator("methods", "sizes", "bias_correction")
    @classmethod
    def _distinct(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return _all_distinct(values)


class MaskSpec(Section):
    """Which layers may be INT8 or float."""

    layers: Literal["all"] | tuple[str, ...] = Field("all", description="regular expressions of names or blocks")
    keep_float: tuple[str, ...] = Field((), description="regular expressions of names or blocks that stay float")
    groups: Literal["layer", "block"] = Field("layer", description="what one switch of the mask turns")


class SpaceSpec(Section):
    """What may be searched."""

    calibration: CalibrationSpec = CalibrationSpec()
    mask: MaskSpec = MaskSpec()


class PreprocessingSpec(Section):
    """How images are prepared, where not as the head's family does it: (pixel / divide - mean) / std."""

    channels: Literal["rgb", "bgr"] | None = Field(
        None, description="their order; null here and below: as the head's family has it"
    )
    fit: Literal["center", "corner", "stretch", "crop"] | None = Field(
        None,
        description="scaled to fit in the middle, or in the top left corner; or both sides scaled; or the shorter side "
        "scaled and the middle cut out",
    )
    padding: int | None = Field(None, ge=0, le=255, description="grey of what the image leaves free")
    divide: float | None = Field(None, gt=0, description="what pixels, 0 to 255, are divided by")
    mean: Three | None = Field(None, description="of each channel, in the order of `channels`, after dividing")
    std: tuple[Above0, Above0, Above0] | None = Field(None, description="likewise")

    def over(self, usual: Preprocessing) -> Preprocessing:
        """The usual way, with what is said here instead."""
        return replace(usual, **{name: value for name, value in self if value is not None})


class LatencySpec(Section):
    """How long latency is measured."""

    ci_width: float = Field(
        0.01, gt=0, description="stop when the ratio's 95 % interval over time is this narrow, relative"
    )
    max_seconds: float = Field(20.0, gt=0, description="or when this much time is spent on one candidate")
    max_wait_s: float = Field(10.0, ge=0, description="how long to wait for other programs to leave the device quiet")
    profile: bool = Field(False, description="time every layer too, for the share of the time that reformats take")


class StallSpec(Section):
    """When a search has stopped finding anything."""

    trials: Count = Field(description="finished trials in a row that must bring so little")
    growth: float = Field(ge=0, description="share of the hypervolume, see `front`, that counts as little")


class RaceSpec(Section):
    """When a candidate is stopped before it is measured in full."""

    confidence: float = Field(0.8, gt=0, lt=1, description="of being right that a trial as fast is as accurate")
    latency_tie: float = Field(0.01, ge=0, lt=1, description="share of the latency below which none counts as faster")


class SearchSpec(Section):
    """How the space is searched."""

    sampler: str = Field(
        "auto",
        description=f"one of {', '.join(SAMPLERS)}; or an Optuna sampler by import path, such as "
        "my_package.MySampler, or by its path on OptunaHub, such as optunahub:samplers/auto_sampler",
    )
    sampler_options: dict[str, Any] = Field({}, description="keyword arguments of the sampler, if it is not auto")
    warm_start: int = Field(
        WARM_START,
        ge=0,
        description="masks tried first: all layers, then those of the front that harm and gain predict; 0: none",
    )
    start_from: tuple[Path, ...] = Field(
        (),
        description="study files whose fronts are measured first, before the warm start (of other data, another "
        "device, older weights), or files that name one INT8 layer a line",
    )
    trials: Count = Field(60, description="finished trials that the study is to have, baselines included")
    max_hours: float | None = Field(None, gt=0, description="no trial is begun after this long in one run")
    stall: StallSpec | None = Field(None, description="end before that when the front grows no more")
    race: RaceSpec | None = Field(
        RaceSpec(),
        description="stop candidates that a faster trial dominates on a part of the images; null: measure all in full",
    )
    retries: int = Field(2, ge=0, description="how often a trial is tried again whose worker vanished")
    lease_s: float = Field(
        60.0, gt=0, description="seconds without a sign of life after which others take a worker for vanished"
    )
    seed: int = Field(0, description="of all that is drawn: same seed, same masks")
    baselines: bool = Field(True, description="measure the usual baselines first")

    def limit_s(self, timeout_s: float | None) -> float | None:
        """Seconds after which one run begins no trial: as asked for, else by `max_hours`; None for no limit."""
        if timeout_s is None and self.max_hours is not None:
            return self.max_hours * 3600
        return timeout_s

    @field_validator("sampler")
    @classmethod
    def _known(cls, sampler: str) -> str:
        if re.fullmatch(ELSEWHERE, sampler):
            return sampler
        return known_of((sampler,), SAMPLERS, other="an import path of an Optuna sampler")[0]

    @model_validator(mode="after")
    def _no_options(self) -> Self:
        if self.sampler == "auto" and self.sampler_options:
            raise ValueError("the sampler auto has no options: leave sampler_options out")
        return self


class OnTrialSpec(Section):
    """Who is told of every trial that ends: one JSON line each. No part of what a study is."""

    command: str | None = Field(
        None, description="run once a trial, without a shell and where qpareto runs; the line is on its stdin"
    )
    file: Path | None = Field(None, description="the line is appended to it")
    timeout_s: float = Field(60.0, gt=0, description="a command that takes longer is killed; the study goes on")

    @field_validator("command")
    @classmethod
    def _readable(cls, command: str | None) -> str | None:
        if command is not None and not shlex.split(command):  # raises ValueError where a quotation has no end
            raise ValueError("there is no command")
        return command

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.command is None and self.file is None:
            raise ValueError("name a `command`, a `file`, or both")
        return self


class StudySpec(Section):
    """A whole study file. Paths are absolute once it is loaded."""

    version: Literal[1] = Field(description="of this format")
    name: str = Field(min_length=1, description="the study's name in its storage")
    model: Path = Field(description="an .onnx, or a .pt that Ultralytics exports")
    imgsz: Count | tuple[Count, Count] | None = Field(
        None,
        description="image size, or [height, width]: what a .pt is exported at (if null 640; a classifier as trained), "
        "or what an .onnx that takes any size is given (what its exporter noted if null)",
    )
    head: str = Field(
        "auto",
        description=f"how outputs are read: one of {', '.join(HEAD_NAMES)}; or a class of one's own by import "
        "path, such as my_package.my_head:MyHead",
    )
    preprocessing: PreprocessingSpec = PreprocessingSpec()
    data: DataSpec
    space: SpaceSpec = SpaceSpec()
    engine: EngineSection = Field({}, validate_default=True)
    latency: LatencySpec = LatencySpec()
    objectives: tuple[str, ...] = Field(
        ("map50_95", "latency_ms"), min_length=1, description=f"some of {', '.join(OBJECTIVES)}"
    )
    search: SearchSpec = SearchSpec()
    devices: Literal["one", "each"] = Field(
        "one", description="whether the study is of one device model, or of each that it is run on, with a front each"
    )
    on_trial: OnTrialSpec | None = Field(None, description="who is told of every trial that ends; null: nobody")
    storage: str = Field(
        "sqlite:///study.db",
        description="an SQLAlchemy URL, or grpc://HOST:PORT; a relative SQLite path is relative to this file",
    )
    cache: Path = Field(DEFAULT_CACHE, description="folder of calibrated models, engines and images; may be shared")
    cache_remote: str | None = Field(
        None, description="a cache behind that folder, for several machines, such as s3://bucket/prefix"
    )
    cache_limit_gib: float | None = Field(
        None, gt=0, description="what the folder may grow to: what was unused the longest is removed; null: no limit"
    )

    @field_validator("head")
    @classmethod
    def _known_head(cls, head: str) -> str:
        if re.fullmatch(PATH, head):
            return head
        return known_of((head,), HEAD_NAMES, other="an import path such as my_package.my_head:MyHead")[0]

    @field_validator("objectives")
    @classmethod
    def _known(cls, objectives: tuple[str, ...]) -> tuple[str, ...]:
        return _all_distinct(known_of(objectives, tuple(OBJECTIVES)))

    @model_validator(mode="after")
    def _told(self) -> StudySpec:
        kind = engine_kind(self.engine.kind)
        if untold := [name for name in self.objectives if not OBJECTIVES[name].measured_by(kind)]:
            raise ValueError(f"the objective {untold[0]} is told by no {self.engine.kind} engine: leave it out")
        for refusal in map(kind.refusal_of_method, self.space.calibration.methods):
            if refusal:
                raise ValueError(refusal.rstrip("."))
        return self

    def store(self) -> Store:
        """The cache that the study file names.

        Raises:
            StudyFileError: there is no driver for `cache_remote`.
        """
        remote = Remote(self.cache_remote) if self.cache_remote else None
        if remote is not None:
            remote.check()
        limit_bytes = int(self.cache_limit_gib * 2**30) if self.cache_limit_gib else None
        return Store(self.cache, remote=remote, limit_bytes=limit_bytes)


def _all_distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError("a value stands twice")
    return values
