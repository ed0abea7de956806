"""Data sets read from where people keep them: a COCO file, an Ultralytics data.yaml, a folder for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from ....errors import DatasetError
from ...store import Store, content_key
from ..tasks import CLASSIFY, DETECT, POSE, SEGMENT, Task
from .class_folders import read_class_folders
from .coco_file import read_coco
from .coco_sizes import refuse_other_boxes, sizes_filled
from .dataset import Dataset, ImageRecord
from .image_files import BadImages, ImageFile, check_images
from .labelled_shapes import annotation_of_label, drawn, one_class_each, whole_image
from .remarks import files_remarks, unlabelled_images
from .yolo_files import label_path, read_labels, read_yolo


def dataset_from_coco(
    images: Path,
    annotations: Path,
    *,
    limit: int | None = None,
    bad_images: BadImages = "refuse",
    store: Store | None = None,
    task: Task = DETECT,
) -> Dataset:
    """A data set from a folder of images and a COCO instances file.

    Args:
        images: the folder that the `file_name`s are relative to.
        annotations: the instances file; what it needs is in coco_file.py.
        limit: only the first so many images by id.
        bad_images: what to do about images that cannot be decoded.
        store: remembers which images decode, so that only the first start has to try.
        task: decides what of the annotations is read.

    Raises:
        DatasetError: see coco_file.py, labelled_shapes.py, coco_sizes.py and image_files.py; or the limit is below 1.
    """
    coco = read_coco(annotations, task)
    entries = _first(sorted(coco.images, key=lambda entry: int(entry["id"])), limit, annotations)
    files, skipped = check_images(
        [images / str(entry["file_name"]) for entry in entries], bad_images=bad_images, store=store
    )
    by_path = {file.path: file for file in files}
    found = [(entry, by_path.get(images / str(entry["file_name"]))) for entry in entries]
    filled = sizes_filled([(entry, file) for entry, file in found if file], annotations)
    records = [(int(entry["id"]), file) for entry, file in found if file]
    sizes = {image_id: (file.width, file.height) for image_id, file in records}
    boxes = [a for a in coco.annotations if a["image_id"] in sizes]
    refuse_other_boxes(boxes, sizes, annotations)
    if task is CLASSIFY:
        boxes = one_class_each(boxes, sizes, annotations)
    if task is SEGMENT:
        boxes = [drawn(a, sizes[a["image_id"]]) for a in boxes]
    categories = sorted(coco.categories, key=lambda entry: int(entry["id"]))
    named = {int(entry["id"]): str(entry["name"]) for entry in categories}
    dataset = _dataset(annotations.parent.name, records, named, boxes, task=task, root=coco.root())
    return replace(dataset, skipped=skipped, remarks=(*coco.remarks, *filled, *dataset.remarks))


def dataset_from_yolo(
    data_yaml: Path,
    *,
    split: str = "val",
    limit: int | None = None,
    bad_images: BadImages = "refuse",
    store: Store | None = None,
    task: Task = DETECT,
) -> Dataset:
    """A data set from an Ultralytics data.yaml and its label files; images are numbered from 1 by path.

    Args:
        data_yaml: what it needs is in yolo_files.py.
        split: one of its keys.
        limit, bad_images, store, task: as for `dataset_from_coco`.

    Raises:
        DatasetError: see yolo_files.py, labelled_shapes.py and image_files.py; or the limit is below 1.
    """
    yolo = read_yolo(data_yaml, split=split)
    if task is POSE and not yolo.kpt_shape[0]:
        raise DatasetError(f"{data_yaml} has no kpt_shape, but the model finds key points: name a data set of poses.")
    files, skipped = check_images(_first(yolo.images, limit, data_yaml), bad_images=bad_images, store=store)
    records = list(enumerate(files, start=1))
    name, kept = f"{data_yaml.stem}/{split}", task is not DETECT
    read = partial(read_labels, names=yolo.names, key_points=prod(yolo.kpt_shape), shapes=kept)
    unlabelled = unlabelled_images([file.path for file in files], name)
    labels = [(i, file, box) for i, file in records for box in read(file.path)]
    if task is SEGMENT and (mere := [label_path(file.path) for _, file, box in labels if not box.polygon]):
        raise DatasetError(
            f"{mere[0]} labels a box, but the model finds masks: label polygons (class, x1, y1, x2, ...)."
        )
    annotations = [
        {"id": number, "image_id": image_id} | annotation_of_label(box, (file.width, file.height), task, yolo.kpt_shape)
        for number, (image_id, file, box) in enumerate(labels, start=1)
    ]
    dataset = _dataset(name, records, dict(enumerate(yolo.names)), annotations, task=task)
    return replace(dataset, skipped=skipped, remarks=(*unlabelled, *dataset.remarks))


def dataset_from_class_folders(
    folder: Path,
    *,
    limit: int | None = None,
    bad_images: BadImages = "refuse",
    store: Store | None = None,
) -> Dataset:
    """A data set of classification: a folder of images for each class, see class_folders.py.

    Args:
        limit: only the first so many images, by turns one of each class.
        bad_images, store: as for `dataset_from_coco`.

    Raises:
        DatasetError: see class_folders.py and image_files.py; or the limit is below 1.
    """
    found = read_class_folders(folder)
    class_of = dict(_first(found.images, limit, folder))
    files, skipped = check_images(list(class_of), bad_images=bad_images, store=store)
    records = list(enumerate(files, start=1))
    annotations = [
        {"id": i, "image_id": i, "category_id": class_of[file.path]} | whole_image((file.width, file.height))
        for i, file in records
    ]
    dataset = _dataset(folder.name, records, dict(enumerate(found.names)), annotations, task=CLASSIFY)
    return replace(dataset, skipped=skipped)


def _first(items: Sequence[Any], limit: int | None, source: Path) -> list[Any]:
    if limit is not None and limit < 1:
        raise DatasetError(f"The limit is {limit}, but at least 1 image is needed: raise it, or leave it out.")
    if not items:
        raise DatasetError(f"{source} lists no image: add some, or name another file.")
    return list(items[:limit])


def _dataset(
    name: str,
    records: Sequence[tuple[int, ImageFile]],
    categories: Mapping[int, str],
    annotations: Sequence[Mapping[str, Any]],
    *,
    task: Task,
    root: int | None = None,
) -> Dataset:
    content = content_key(
        images=[(image_id, file.content) for image_id, file in records],
        categories=sorted(categories.items()),
        annotations=list(annotations),
    )
    return Dataset(
        name=name,
        images=tuple(ImageRecord(image_id, file.path, file.width, file.height) for image_id, file in records),
        category_ids=tuple(categories),
        category_names=tuple(categories.values()),
        annotations=tuple(annotations),
        content_hash=content,
        root=root,
        task=task,
        remarks=tuple(files_remarks(name, [file for _, file in records])),
    )
