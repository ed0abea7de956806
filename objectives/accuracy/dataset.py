"""The images that engines are scored on, with their true boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import DatasetError
from ..store import Store, content_key, file_hash
from .coco_file import read_coco
from .image_files import BadImages, ImageFile, check_images, in_threads, some_of
from .yolo_files import read_labels, read_yolo


@dataclass(frozen=True)
class ImageRecord:
    """One image of a data set. Sizes in pixels, as the file decodes."""

    image_id: int
    path: Path
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Images with their true boxes, checked: every image decodes, every box has a known image and category.

    Args:
        name: for people; it does not identify the data.
        images: by ascending id.
        category_ids: by class index of the model.
        category_names: likewise; unique.
        annotations: in COCO form: id (from 1), image_id, category_id, bbox [x, y, width, height] in pixels, area,
            iscrowd. At least one is no crowd.
        content_hash: of the images' bytes, the boxes and the categories: 32 hex digits.
        skipped: file names of images that were left out since they cannot be decoded.
    """

    name: str
    images: tuple[ImageRecord, ...]
    category_ids: tuple[int, ...]
    category_names: tuple[str, ...]
    annotations: tuple[Mapping[str, Any], ...]
    content_hash: str
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if twice := [name for name, count in Counter(self.category_names).items() if count > 1]:
            raise DatasetError(f"{self.name} names {some_of(twice, 'category')} more than once: rename them.")
        if all(a["iscrowd"] for a in self.annotations):
            raise DatasetError(
                f"The {len(self.images)} images of {self.name} have no boxes to find: add labels, or raise the limit."
            )

    def for_model(self, class_names: Sequence[str] | None, classes: int | None) -> Dataset:
        """The same with its categories in a model's order of classes.

        The names decide if both sides have the same ones; else the category ids do, in ascending order.

        Args:
            class_names: by class index, if the model carries them.
            classes: how many classes the model tells apart, if that is known.

        Raises:
            DatasetError: the model has another number of classes.
        """
        if classes is not None and classes != len(self.category_ids):
            raise DatasetError(
                f"The model tells {classes} classes apart, but {self.name} has {len(self.category_ids)} categories: "
                "take the data set that the model was trained for."
            )
        if class_names is None or sorted(class_names) != sorted(self.category_names):
            return self
        order = [self.category_names.index(name) for name in class_names]
        return replace(
            self,
            category_ids=tuple(self.category_ids[i] for i in order),
            category_names=tuple(self.category_names[i] for i in order),
        )


def dataset_from_coco(
    images: Path,
    annotations: Path,
    *,
    limit: int | None = None,
    bad_images: BadImages = "refuse",
    store: Store | None = None,
) -> Dataset:
    """A data set from a folder of images and a COCO instances file.

    Args:
        images: the folder that the `file_name`s are relative to.
        annotations: the instances file; what it needs is in coco_file.py.
        limit: only the first so many images by id.
        bad_images: what to do about images that cannot be decoded.
        store: remembers which images decode, so that only the first start has to try.

    Raises:
        DatasetError: see coco_file.py and image_files.py; or an image has another size than the file says; or the
            limit is below 1.
    """
    coco = read_coco(annotations)
    entries = _first(sorted(coco.images, key=lambda entry: int(entry["id"])), limit, annotations)
    files, skipped = check_images(
        [images / str(entry["file_name"]) for entry in entries], bad_images=bad_images, store=store
    )
    by_path = {file.path: file for file in files}
    found = [(entry, by_path.get(images / str(entry["file_name"]))) for entry in entries]
    _refuse_other_sizes([(entry, file) for entry, file in found if file], annotations)
    records = [(int(entry["id"]), file) for entry, file in found if file]
    kept = {image_id for image_id, _ in records}
    categories = sorted(coco.categories, key=lambda entry: int(entry["id"]))
    return _dataset(
        annotations.parent.name,
        records,
        {int(entry["id"]): str(entry["name"]) for entry in categories},
        [a for a in coco.annotations if a["image_id"] in kept],
        skipped,
    )


def dataset_from_yolo(
    data_yaml: Path,
    *,
    split: str = "val",
    limit: int | None = None,
    bad_images: BadImages = "refuse",
    store: Store | None = None,
) -> Dataset:
    """A data set from an Ultralytics data.yaml and its label files; images are numbered from 1 by path.

    Args:
        data_yaml: what it needs is in yolo_files.py.
        split: one of its keys.
        limit, bad_images, store: as for `dataset_from_coco`.

    Raises:
        DatasetError: see yolo_files.py and image_files.py; or the limit is below 1.
    """
    yolo = read_yolo(data_yaml, split=split)
    files, skipped = check_images(_first(yolo.images, limit, data_yaml), bad_images=bad_images, store=store)
    records = list(enumerate(files, start=1))
    labels = [(i, file, box) for i, file in records for box in read_labels(file.path, yolo.names)]
    annotations = []
    for number, (image_id, file, box) in enumerate(labels, start=1):
        width, height = box.width * file.width, box.height * file.height
        annotations.append(
            {
                "id": number,
                "image_id": image_id,
                "category_id": box.class_index,
                "bbox": [box.left * file.width, box.top * file.height, width, height],
                "area": width * height,
                "iscrowd": 0,
            }
        )
    return _dataset(f"{data_yaml.stem}/{split}", records, dict(enumerate(yolo.names)), annotations, skipped)


def refuse_overlap(paths: Sequence[Path], seen: Collection[str], *, what: str, other: str) -> None:
    """Refuse images that serve another purpose too, which would flatter every figure. Contents count, not names.

    Args:
        seen: hashes of the contents of the images of the other purpose.
        what, other: the two purposes, as `calibration` and `evaluation`.

    Raises:
        DatasetError: some are in both.
    """
    contents = zip(paths, in_threads(file_hash, paths), strict=True)
    shared = [path.name for path, content in contents if content in seen]
    if shared:
        raise DatasetError(
            f"{some_of(shared, f'{what} image')} of {len(paths)} are also {other} images, "
            f"which would flatter every figure: take other images for the {what}."
        )


def hashes_of(dataset: Dataset) -> frozenset[str]:
    """Of the contents of a data set's images."""
    return frozenset(in_threads(file_hash, [image.path for image in dataset.images]))


def _first(items: Sequence[Any], limit: int | None, source: Path) -> list[Any]:
    if limit is not None and limit < 1:
        raise DatasetError(f"The limit is {limit}, but at least 1 image is needed: raise it, or leave it out.")
    if not items:
        raise DatasetError(f"{source} lists no image: add some, or name another file.")
    return list(items[:limit])


def _refuse_other_sizes(found: Sequence[tuple[Mapping[str, Any], ImageFile]], annotations: Path) -> None:
    other = [
        f"{file.path.name} is {file.width}x{file.height}"
        for entry, file in found
        if (entry.get("width", file.width), entry.get("height", file.height)) != (file.width, file.height)
    ]
    if other:
        raise DatasetError(
            f"{some_of(other, 'image')} have another size than {annotations} says: "
            "take the images that were annotated, not resized copies."
        )


def _dataset(
    name: str,
    records: Sequence[tuple[int, ImageFile]],
    categories: Mapping[int, str],
    annotations: Sequence[Mapping[str, Any]],
    skipped: tuple[str, ...],
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
        skipped=skipped,
    )
