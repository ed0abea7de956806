"""The images that engines are scored on, with their true boxes, masks or key points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ....errors import DatasetError
from ...store import content_key, file_hash
from ..tasks import CLASSIFY, DETECT, POSE, Task
from .classes import classes_matched
from .image_files import in_threads, some_of
from .labelled_shapes import counts


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
