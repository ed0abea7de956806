"""From a study file to what its trials share: the model, the images, the device, the space."""

from __future__ import annotations

from typing import Any

from ...errors import DatasetError, ModelError
from ...objectives.accuracy.dataset import Dataset, dataset_from_coco, dataset_from_yolo, refuse_overlap
from ...objectives.accuracy.heads import head_of_model
from ...objectives.accuracy.image_files import ImageFile, check_images, list_images
from ...objectives.accuracy.images import letterboxed_images
from ...objectives.latency.paired import LatencyBudget
from ...objectives.latency.telemetry import HostLoad
from ...objectives.quantization.calibrate import CalibrationSet, structure_of_model
from ...objectives.quantization.checkpoints import onnx_from_checkpoint
from ...objectives.score import Scorer
from ...objectives.store import Store, content_key
from ...spaces.calibration import calibration_order
from ...spaces.layers import Layer, layers_of_model
from ...spaces.model import DetectorModel, read_model
from ...spaces.space import Space, space_of_layers
from ..spec import DataSpec, StudySpec


def scorer_of_spec(spec: StudySpec, *, calibration_size: int | None = None) -> Scorer:
    """Read and check everything that the study file names; nothing is measured yet.

    Args:
        calibration_size: calibration images to have ready; the space's largest size if None.

    Raises:
        ModelError: the model cannot be read, exported or quantized, or its head is not recognised.
        DatasetError: images or annotations are missing, corrupt or too few, or calibration images are evaluated on.
        DiskError: the cache cannot be written.
    """
    store = Store(spec.cache)
    model = model_of_spec(spec, store)
    names = model.class_names
    head = head_of_model(
        model.output_shapes, names, model.metadata, override=None if spec.head == "auto" else spec.head
    )
    dataset = dataset_of_spec(spec.data, store).for_model(names, head.classes)
    _, _, height, width = model.input_shape
    size = calibration_size or max(spec.space.calibration.sizes)
    return Scorer(
        model=model,
        layers=quantizable_layers(model, store),
        calibration=_calibration_set(spec, dataset, store, size=size, height=height, width=width),
        dataset=dataset,
        pixels=letterboxed_images([image.path for image in dataset.images], height=height, width=width, store=store),
        head=head,
        options=spec.engine.options(),
        budget=LatencyBudget(ci_width=spec.latency.ci_width, max_seconds=spec.latency.max_seconds),
        load=HostLoad(max_wait_s=spec.latency.max_wait_s),
        store=store,
    )


def model_of_spec(spec: StudySpec, store: Store) -> DetectorModel:
    """The study's model; a checkpoint is exported first."""
    if spec.model.suffix != ".pt":
        return read_model(spec.model)
    return read_model(onnx_from_checkpoint(spec.model, imgsz=spec.imgsz, batch=spec.engine.batch, store=store))


def quantizable_layers(model: DetectorModel, store: Store) -> tuple[Layer, ...]:
    """The layers that ModelOpt can put into INT8, in graph order.

    Raises:
        ModelError: there is none.
    """
    able = set(structure_of_model(model, store).layers)
    layers = tuple(layer for layer in layers_of_model(model.path) if layer.name in able)
    if not layers:
        raise ModelError(f"ModelOpt can put no layer of {model.path.name} into INT8: there is nothing to search.")
    return layers


def space_of_spec(spec: StudySpec, layers: tuple[Layer, ...]) -> Space:
    """The space of the study file's `space:` section."""
    calibration, mask = spec.space.calibration, spec.space.mask
    return space_of_layers(
        layers,
        methods=calibration.methods,
        sizes=calibration.sizes,
        only=mask.layers,
        keep_float=mask.keep_float,
        groups=mask.groups,
    )


def identity_of_study(scorer: Scorer, space: Space) -> dict[str, Any]:
    """What all measurements of a study share: with anything else its figures would not compare."""
    options = scorer.options
    return {
        "model": scorer.model.content_hash,
        "dataset": scorer.dataset.content_hash,
        "calibration images": content_key(hashes=scorer.calibration.hashes),
        "space": content_key(groups=dict(space.groups), methods=space.methods, sizes=space.sizes),
        "engine": {
            "kind": options.kind,
            "batch": options.batch,
            "float_type": options.float_type,
            "threads": options.threads,
        },
        "device": scorer.kind.device_name(),
    }


def dataset_of_spec(data: DataSpec, store: Store) -> Dataset:
    """The evaluation images with their boxes."""
    if data.yaml is not None:
        return dataset_from_yolo(data.yaml, limit=data.limit, bad_images=data.bad_images, store=store)
    assert data.images is not None  # the spec holds both or neither
    assert data.annotations is not None
    return dataset_from_coco(data.images, data.annotations, limit=data.limit, bad_images=data.bad_images, store=store)


def _calibration_set(
    spec: StudySpec, dataset: Dataset, store: Store, *, size: int, height: int, width: int
) -> CalibrationSet:
    """The first good images of the study's seeded order; the rest of a large folder is never opened."""
    source = spec.data.calibration
    ordered = list(calibration_order(list_images(source), seed=spec.search.seed))
    good: list[ImageFile] = []
    while ordered and len(good) < size:
        wanted = size - len(good)
        good += check_images(ordered[:wanted], bad_images=spec.data.bad_images, store=store)[0]
        del ordered[:wanted]
    if len(good) < size:
        raise DatasetError(
            f"A calibration of {size} images was asked for, but {source} has {len(good)}: "
            "add images or lower space.calibration.sizes."
        )
    paths = [image.path for image in good]
    refuse_overlap(paths, dataset)
    pixels = letterboxed_images(paths, height=height, width=width, store=store)
    return CalibrationSet(pixels=pixels.path, hashes=tuple(image.content for image in good))
