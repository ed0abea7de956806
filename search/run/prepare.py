"""From a study file to what its trials share: the model, the images, the device, the space."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from ...errors import DatasetError, StudyFileError
from ...objectives.accuracy.data.dataset import Dataset, hashes_of, refuse_overlap
from ...objectives.accuracy.data.evaluation_set import EvaluationSet
from ...objectives.accuracy.data.held_out import FEWEST_CALIBRATING
from ...objectives.accuracy.data.image_files import BadImages, ImageFile, check_images, list_images, some_of
from ...objectives.accuracy.data.images import letterboxed_images
from ...objectives.accuracy.data.reading import dataset_from_class_folders, dataset_from_coco, dataset_from_yolo
from ...objectives.accuracy.data.remarks import calibration_remarks, scoring_remarks
from ...objectives.accuracy.heads import Head
from ...objectives.accuracy.heads.head_kinds import head_of
from ...objectives.accuracy.metrics import METRICS
from ...objectives.accuracy.tasks import CLASSIFY, Task
from ...objectives.device import Device
from ...objectives.engines import EngineOptions
from ...objectives.latency.paired import LatencyBudget
from ...objectives.latency.telemetry import HostLoad
from ...objectives.objective import accuracy_among
from ...objectives.quantization.batch_proof import prove_batch, refuse_batch
from ...objectives.quantization.calibrate import CalibrationSet, quantizable_layers
from ...objectives.quantization.checkpoints import onnx_from_checkpoint
from ...objectives.quantization.reading import model_of_file
from ...objectives.score import Scorer
from ...objectives.store import Store, content_key
from ...spaces.calibration import calibration_order
from ...spaces.layers import Layer
from ...spaces.model import DetectorModel
from ...spaces.space import Space, space_of_layers
from ..study.identity import DECIDING, Identity
from ..study_file.spec import EvaluationSpec, StudySpec

MODEL_SUFFIXES = (".onnx", ".pt")
CHECKED_AT_ONCE = 32  # calibration images, so that one bad image is not all there is

_log = logging.getLogger(__name__)


def scorer_of_spec(spec: StudySpec, *, calibration_size: int | None = None) -> Scorer:
    """Read and check everything that the study file names; nothing is measured yet.

    Args:
        calibration_size: calibration images to have ready; the space's largest size if None.

    Raises:
        ModelError, QuantizationError: the model cannot be read, exported or quantized, its head is not recognised, or
            it cannot be given the engine's batch.
        DatasetError: images or annotations are missing, corrupt or too few, or calibration images are evaluated on.
        DiskError: the cache cannot be written.
    """
    store = spec.store()
    model = detector_model(spec.model, store, imgsz=spec.imgsz)
    refuse_batch(model, spec.engine.batch)
    head = head_of(model, override=None if spec.head == "auto" else spec.head)
    _refuse_other_metric(spec, head)
    model = replace(model, preprocessing=spec.preprocessing.over(head.preprocessing))
    dataset = _dataset_for(spec, spec.data, model, head, limit=spec.data.limit)
    size = calibration_size or max(spec.space.calibration.sizes)
    calibration = _calibration_set(spec, dataset, store, size=size, model=model)
    images = EvaluationSet.for_model(dataset, model, store)
    options = engine_options(spec)
    if options.batch != model.input_shape[0]:
        with Device(options, store).beside_timing(on_host=True):
            most = calibration.pixels if len(calibration.hashes) > len(images) else images.pixels.path
            prove_batch(model, most, options.batch, store)
    return Scorer(
        model=model,
        images=images,
        calibration=calibration,
        layers=quantizable_layers(model, store),
        head=head,
        options=options,
        budget=LatencyBudget(ci_width=spec.latency.ci_width, max_seconds=spec.latency.max_seconds),
        load=HostLoad(max_wait_s=spec.latency.max_wait_s),
        profile=spec.latency.profile,
        store=store,
    )


def _refuse_other_metric(spec: StudySpec, head: Head) -> None:
    asked, metric = accuracy_among(spec.objectives), head.task.metric
    if asked not in {None, metric.name}:
        raise StudyFileError(
            f"The model finds {head.task.finds}, whose accuracy is {metric.label}, not {METRICS[str(asked)].label}: "
            f"name {metric.name} among the objectives, instead of {asked}."
        )


def engine_options(spec: StudySpec) -> EngineOptions:
    """How a study's engines are built and run, with what its cache keeps for all of them."""
    return replace(spec.engine, shared_dir=spec.cache / "engine-caches")


def data_remarks(dataset: Dataset) -> tuple[str, ...]:
    """What must be known of the images that are measured on, a sentence each."""
    return (*dataset.remarks, *scoring_remarks(dataset))


def check_runs(scorer: Scorer) -> None:
    """Tell before anything is built that engines of this kind cannot run here.

    Raises:
        StudyFileError: they cannot.
    """
    found = scorer.kind.availability()
    if not found.can_run:
        raise StudyFileError(f"engine.kind={scorer.options.kind} cannot run here. {found.reason}")


def detector_model(path: Path, store: Store, *, imgsz: int | tuple[int, int] | None = None) -> DetectorModel:
    """The model in an .onnx file, or in a checkpoint, which is exported first, for batch 1.

    Args:
        imgsz: pixels, one number or height and width: what a checkpoint is exported for, or what an .onnx that takes
            any size is given; see `onnx_from_checkpoint` and `model_of_file` if None.

    Raises:
        ModelError: it cannot be read or exported, or has another size.
    """
    if path.suffix == ".pt":
        return model_of_file(onnx_from_checkpoint(path, imgsz=imgsz, store=store), store)
    return model_of_file(path, store, imgsz=(imgsz, imgsz) if isinstance(imgsz, int) else imgsz)


def space_of_spec(spec: StudySpec, layers: tuple[Layer, ...]) -> Space:
    """The space of the study file's `space:` section."""
    calibration, mask = spec.space.calibration, spec.space.mask
    space = space_of_layers(
        layers,
        methods=calibration.methods,
        sizes=calibration.sizes,
        only=mask.layers,
        keep_float=mask.keep_float,
        groups=mask.groups,
    )
    return replace(space, bias_correction=calibration.bias_correction)


def identity_of_study(spec: StudySpec, scorer: Scorer, space: Space) -> Identity:
    """What a study of these is made with."""
    document = spec.model_dump(mode="json", include={"model", "imgsz", "preprocessing", "data", "space", "search"})
    deciding = sorted({key for keys in DECIDING.values() for key in keys})
    searched: dict[str, Any] = {"groups": dict(space.groups), "methods": space.methods, "sizes": space.sizes}
    if space.bias_correction != (False,):  # studies from before bias correction do not tell that they have none
        searched["bias_correction"] = space.bias_correction
    return Identity(
        model=scorer.model.key,
        dataset=scorer.images.dataset.content_hash,
        calibration_images=content_key(hashes=scorer.calibration.hashes),
        space=content_key(**searched),
        engine=scorer.options.identity(),
        engine_recipe=scorer.kind.recipe,
        device=scorer.kind.device_name(),
        versions=scorer.versions,
        keys={key: reduce(getitem, key.split("."), document) for key in deciding},
    )


def confirming(spec: StudySpec, scorer: Scorer) -> Scorer:
    """A scorer that builds every engine once more, and scores it on the images that the search never saw, if any.

    Raises:
        DatasetError: those images are at fault, or some of them were evaluated or calibrated on.
    """
    if spec.data.confirm is None:
        return replace(scorer, build=scorer.build + 1)
    dataset = _dataset_for(spec, spec.data.confirm, scorer.model, scorer.head)
    paths = [image.path for image in dataset.images]
    refuse_overlap(paths, hashes_of(scorer.images.dataset), what="confirmation", other="evaluation")
    refuse_overlap(paths, scorer.calibration.hashes, what="confirmation", other="calibration")
    images = EvaluationSet.for_model(dataset, scorer.model, scorer.store)
    return replace(scorer, images=images, build=scorer.build + 1)


def dataset_of_spec(
    data: EvaluationSpec, store: Store, *, task: Task, bad_images: BadImages = "refuse", limit: int | None = None
) -> Dataset:
    """The images that a section of the study file names, with what is to be found in them."""
    read: dict[str, Any] = {"limit": limit, "bad_images": bad_images, "store": store}
    if (data.folder is not None) != (task is CLASSIFY) and data.annotations is None:
        named = "a folder of classes (`folder`)" if task is CLASSIFY else "`yaml`, or `images` and `annotations`"
        raise DatasetError(f"The model finds {task.finds}, so what it is scored on is {named}: name that.")
    if data.folder is not None:
        return dataset_from_class_folders(data.folder, **read)
    if data.yaml is not None:
        return dataset_from_yolo(data.yaml, task=task, **read)
    assert data.images is not None  # the spec holds both or neither
    assert data.annotations is not None
    return dataset_from_coco(data.images, data.annotations, task=task, **read)


def _dataset_for(
    spec: StudySpec, data: EvaluationSpec, model: DetectorModel, head: Head, *, limit: int | None = None
) -> Dataset:
    """The same in the order of the model's classes; what must be known of it is logged."""
    found = dataset_of_spec(data, spec.store(), task=head.task, limit=limit, bad_images=spec.data.bad_images)
    dataset = found.for_model(model.class_names, head.classes, spec.data.classes)
    head.refuse_other(dataset.key_points)
    _tell_skipped(dataset.skipped, dataset.name)
    for remark in data_remarks(dataset):
        _log.warning("%s", remark)
    return dataset


def _calibration_set(
    spec: StudySpec, dataset: Dataset, store: Store, *, size: int, model: DetectorModel
) -> CalibrationSet:
    """The first good images of the study's seeded order; the rest of a large folder is never opened."""
    source = spec.data.calibration
    ordered = calibration_order(list_images(source), seed=spec.search.seed)
    good: list[ImageFile] = []
    skipped: list[str] = []
    step = max(size, CHECKED_AT_ONCE)
    for start in range(0, len(ordered), step):
        if len(good) >= size:
            break
        found, bad = check_images(ordered[start : start + step], bad_images=spec.data.bad_images, store=store)
        good += found
        skipped += bad
    _tell_skipped(skipped, source)
    if len(good) < size:
        raise DatasetError(
            f"A calibration of {size} images was asked for, but {source} has {len(good)}: "
            "add images or lower space.calibration.sizes."
        )
    looked_at = good[: max(size, FEWEST_CALIBRATING)]  # one dark picture alone is no reason
    del good[size:]
    paths = [image.path for image in good]
    refuse_overlap(paths, hashes_of(dataset), what="calibration", other="evaluation")
    _, _, height, width = model.input_shape
    for remark in calibration_remarks(looked_at, height=height, width=width):
        _log.warning("%s", remark)
    pixels = letterboxed_images(paths, height=height, width=width, store=store, preprocessing=model.preprocessing)
    return CalibrationSet(pixels=pixels.path, hashes=tuple(image.content for image in good))


def _tell_skipped(names: Sequence[str], source: Path | str) -> None:
    if names:
        _log.warning("%s of %s cannot be decoded: skipped.", some_of(names, "image"), source)
