"""The images that engines are scored on, with their true boxes, masks or key points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from ....errors import DatasetError
from ...store import Store, content_key, file_hash
from ..tasks import CLASSIFY, DETECT, POSE, SEGMENT, Task
from .class_folders import read_class_folders
from .classes import classes_matched
from .coco_file import read_coco
from .coco_sizes import refuse_other_boxes, sizes_filled
from .image_files import BadImages, ImageFile, check_images, in_threads, some_of
from .labelled_shapes import annotation_of_label, counts, drawn, one_class_each, whole_image
from .remarks import files_remarks, unlabelled_images
from .yolo_files import label_path, read_labels, read_yolo


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
            iscrowd; segmentation, a compressed run-length code; keypoints and num_keypoints. At least one counts.
        content_hash: of the images' bytes, the boxes and the categories: 32 hex digits.
        skipped: file names of images that were left out since they cannot be decoded.
        root: id of the category above all others, of which there are no boxes, as Roboflow writes one; None without.
        remarks: what was not taken as it stood on disk, a sentence each.
        task: what is to be found.
    """

    name: str
    images: tuple[ImageRecord, ...]
    category_ids: tuple[int, ...]
    category_names: tuple[str, ...]
    annotations: tuple[Mapping[str, Any], ...]
    content_hash: str
    skipped: tuple[str, ...] = ()
    root: int | None = None
    remarks: tuple[str, ...] = ()
    task: Task = DETECT

    def __post_init__(self) -> None:
        ids = zip(self.category_ids, self.category_names, strict=True)
        named = Counter(name for number, name in ids if number != self.root)
        if twice := [name for name, count in named.items() if count > 1]:
            raise DatasetError(f"{self.name} names {some_of(twice, 'category')} more than once: rename them.")
        if not any(map(counts, self.annotations)):
            raise DatasetError(
                f"The {len(self.images)} images of {self.name} have no {self.task.finds} to find: add labels, or raise "
                "the limit."
            )

    @property
    def key_points(self) -> int:
        """How many each object has; 0 unless those are the task."""
        return len(self.annotations[0]["keypoints"]) // 3 if self.task is POSE else 0

    def for_model(
        self, class_names: Sequence[str] | None, classes: int | None, chosen: Sequence[str | int] | None = None
    ) -> Dataset:
        """The same with its categories in a model's order of classes: see `classes_matched`.

        Categories that are no class of the model, and classes that are not chosen, are left out with their boxes.

        Args:
            class_names: by class index, if the model carries them.
            classes: how many classes the model tells apart, if that is known.
            chosen: names or indices of the classes that count; all if None.

        Raises:
            DatasetError: the classes do not match, one that is chosen is unknown, or none that counts has a box.
        """
        found = self._without_root(len(class_names) if class_names else classes)
        match = classes_matched(class_names, classes, found.category_ids, found.category_names, data=self.name)
        kept, said = match.counting(chosen, data=self.name)
        boxes = tuple(a for a in found.annotations if a["category_id"] in kept)
        if not any(map(counts, boxes)):
            raise DatasetError(
                f"{self.name} has no {self.task.finds} of the classes that count: name others, or add labels."
            )
        content = self.content_hash
        if len(boxes) < len(self.annotations) or {*match.ids} != {*self.category_ids}:
            content = content_key(dataset=content, categories=match.ids, boxes=[a["id"] for a in boxes])
        if match.left_out:
            lost = sum(a["category_id"] not in match.ids for a in found.annotations)
            left = some_of(match.left_out, "category", plural="categories")
            said = (*said, f"{self.name} has {left} that the model does not know: left out, with {self._told(lost)}.")
        images = {a["image_id"] for a in boxes}
        return replace(
            found,
            images=tuple(i for i in found.images if i.image_id in images) if self.task is CLASSIFY else found.images,
            category_ids=match.ids,
            category_names=match.names,
            annotations=boxes,
            content_hash=content,
            remarks=(*found.remarks, *said),
        )

    def _told(self, annotations: int) -> str:
        noun = "image" if self.task is CLASSIFY else "box"
        return f"1 {noun}" if annotations == 1 else f"{annotations} {noun}{'s' if self.task is CLASSIFY else 'es'}"

    def _without_root(self, classes: int | None) -> Dataset:
        """Without an empty category before all others, unless the model has a class for it too."""
        number = self.root
        if number is None and classes == len(self.category_ids) - 1 and self.category_ids[0] == 0:
            number = 0 if all(a["category_id"] != 0 for a in self.annotations) else None
        if number is None or classes == len(self.category_ids):
            return self
        i = self.category_ids.index(number)
        return replace(
            self,
            category_ids=self.category_ids[:i] + self.category_ids[i + 1 :],
            category_names=self.category_names[:i] + self.category_names[i + 1 :],
            root=None,
            remarks=(
                *self.remarks,
                f"The category '{self.category_names[i]}' of {self.name} (id {number}, no boxes) is none of the "
                "model's classes, but above them, as Roboflow writes it: left out.",
            ),
        )


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
