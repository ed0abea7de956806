"""Which of somebody's images are scored, and which calibrate: never the same ones, and none is copied."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ...objectives.accuracy.data.class_folders import has_split, read_class_folders
from ...objectives.accuracy.data.coco_file import read_coco
from ...objectives.accuracy.data.held_out import FEWEST_CALIBRATING, coco_of_images, held_out
from ...objectives.accuracy.data.image_files import list_images
from ...objectives.accuracy.data.reading import dataset_from_class_folders, dataset_from_coco, dataset_from_yolo
from ...objectives.accuracy.data.yolo_files import read_yolo, split_of
from ...objectives.accuracy.tasks import DETECT, Task
from ...objectives.store import Store
from ..study_file.spec import EvaluationSpec

HELD_OUT = "held out of the labelled ones, by the hash of their names"


@dataclass(frozen=True, kw_only=True)
class PartedData:
    """What a drafted study scores on and calibrates with. All paths are absolute.

    Args:
        images, annotations: of the images that are scored; `annotations` is what a new COCO file is to hold where
            there is none of just these images. None with `yaml` or `folder`.
        yaml: a data.yaml whose val split is scored, instead of the two.
        folder: likewise, of class folders.
        scored: how many images are scored.
        classes: the data's names of classes, by ascending id.
        calibration: a folder or a .txt list; or images, of which a list is to be written.
        calibrating: how many images those are.
        origin: where these come from, for people.
    """

    images: Path | None = None
    annotations: Path | Mapping[str, object] | None = None
    yaml: Path | None = None
    folder: Path | None = None
    scored: int
    classes: tuple[str, ...]
    calibration: Path | tuple[Path, ...]
    calibrating: int
    origin: str


def parted_data(source: EvaluationSpec, calibration: Path | None, store: Store, task: Task = DETECT) -> PartedData:
    """Find images to calibrate with: those named; or the training images of a data.yaml, or the images of the folder
    that the annotations do not name; or else some of the labelled ones, which are then not scored.

    Raises:
        DatasetError: images or annotations are missing or at fault, or there are too few.
    """
    absolute = EvaluationSpec(**{name: path.absolute() for name, path in source if path is not None})
    scored, classes = _scored(absolute)
    if calibration is not None:
        found, origin = list_images(calibration), "as named"
        kept: Path | tuple[Path, ...] = calibration.absolute()
    else:
        found, origin = _others(absolute, scored)
        kept = _folder_of(found) or found
    if calibration is None and len(found) < FEWEST_CALIBRATING:
        return _held_out(absolute, store, task)
    return PartedData(
        images=absolute.images,
        annotations=absolute.annotations,
        yaml=absolute.yaml,
        folder=absolute.folder,
        scored=len(scored),
        classes=classes,
        calibration=kept,
        calibrating=len(found),
        origin=origin,
    )


def _scored(source: EvaluationSpec) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The labelled images, and the names of their classes by ascending id."""
    if source.yaml is not None:
        yolo = read_yolo(source.yaml, split="val")
        return yolo.images, yolo.names
    if source.folder is not None:
        found = read_class_folders(source.folder)
        return tuple(path for path, _ in found.images), found.names
    images, annotations = _coco(source)
    coco = read_coco(annotations)
    categories = sorted(coco.categories, key=lambda entry: int(entry["id"]))
    paths, root = tuple(images / str(entry["file_name"]) for entry in coco.images), coco.root()
    return paths, tuple(str(entry["name"]) for entry in categories if entry["id"] != root)


def _others(source: EvaluationSpec, scored: Sequence[Path]) -> tuple[tuple[Path, ...], str]:
    """Images at hand that are not scored, and where they come from."""
    if source.yaml is not None:
        found = read_yolo(source.yaml, split="train").images if _has_split(source.yaml, "train") else ()
        origin = f"the train split of {source.yaml.name}"
    elif source.folder is not None:
        train = read_class_folders(source.folder, split="train").images if has_split(source.folder, "train") else ()
        found, origin = tuple(path for path, _ in train), f"the train folder of {source.folder.name}"
    else:
        images, annotations = _coco(source)
        found, origin = list_images(images), f"those in the folder that {annotations.name} does not name"
    taken = set(map(os.path.realpath, scored))
    return tuple(path for path in found if os.path.realpath(path) not in taken), origin


def _coco(source: EvaluationSpec) -> tuple[Path, Path]:
    """Images and annotations, which a source has that has neither a data.yaml nor a folder."""
    assert source.images is not None
    assert source.annotations is not None
    return source.images, source.annotations


def _has_split(data_yaml: Path, split: str) -> bool:
    """Whether a readable data.yaml names images of a split."""
    return bool(split_of(yaml.safe_load(data_yaml.read_text(encoding="utf-8")), split))


def _folder_of(images: Sequence[Path]) -> Path | None:
    """A folder that holds these images and no others."""
    if not images:
        return None
    folder = Path(os.path.commonpath([image.parent for image in images]))
    return folder if set(list_images(folder)) == set(images) else None


def _held_out(source: EvaluationSpec, store: Store, task: Task) -> PartedData:
    if source.folder is not None:
        dataset = dataset_from_class_folders(source.folder, store=store)
    elif source.yaml is not None:
        dataset = dataset_from_yolo(source.yaml, store=store, task=task)
    else:
        dataset = dataset_from_coco(*_coco(source), store=store, task=task)
    scored, calibrating = held_out(dataset)
    folder = Path(os.path.commonpath([image.path.parent for image in scored]))
    return PartedData(
        images=folder,
        annotations=coco_of_images(dataset, scored, folder=folder),
        scored=len(scored),
        classes=dataset.category_names,
        calibration=tuple(image.path for image in calibrating),
        calibrating=len(calibrating),
        origin=HELD_OUT,
    )
