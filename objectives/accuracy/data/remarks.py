"""What is said once of data that can be used, but are not what one would think; and refused, where nothing is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import DatasetError
from ..tasks import POSE, SEGMENT
from .image_files import ImageFile, some_of
from .labelled_shapes import counts
from .yolo_files import label_path

if TYPE_CHECKING:
    from .dataset import Dataset

_BLANK = 2.0  # grey levels of 256 that an image varies by (standard deviation), below which it shows nothing
_ENLARGED = 8  # times, beyond which an image is a few squares of one colour


def unlabelled_images(images: Sequence[Path], name: str) -> tuple[str, ...]:
    """A remark where images of an Ultralytics data set have no label file.

    Raises:
        DatasetError: none of them has one.
    """
    absent = [path for path in images if not label_path(path).is_file()]
    if not absent:
        return ()
    where = f"the first was looked for at {label_path(absent[0])}"
    if len(absent) == len(images):
        raise DatasetError(
            f"None of the {len(images)} images of {name} has a label file: {where}, as Ultralytics does. Put the "
            "labels there, or name the folder that has them beside it."
        )
    return (
        f"{len(absent)} of {len(images)} images of {name} have no label file, so whatever is found in them counts as "
        f"wrong: {where}.",
    )


def files_remarks(name: str, files: Sequence[ImageFile]) -> list[str]:
    """Copies among a data set's images, and images of 16 bits."""
    first: dict[str, Path] = {}
    pairs = [(file.path, first.setdefault(file.content, file.path)) for file in files]
    copies = [f"{path.name} is {other.name}" for path, other in pairs if path != other]
    deep = [file.path.name for file in files if file.peak is not None]
    found = []
    if copies:
        found.append(f"{some_of(copies, 'image')} of {name} are copies of others, byte for byte: each is scored.")
    if deep:
        found.append(f"{some_of(deep, 'image')} of {name} have 16 bits a channel: the high 8 count, as in Ultralytics.")
    return found


def scoring_remarks(dataset: Dataset) -> tuple[str, ...]:
    """What figures on a data set are of, where not of boxes, and what bounds them, however good an engine is."""
    task = dataset.task
    if task not in (SEGMENT, POSE):
        return _crowded(dataset)
    return (f"mAP50-95 is that of {task.finds}, as pycocotools counts it ('{task.iou_type}').", *_crowded(dataset))


def _crowded(dataset: Dataset) -> tuple[str, ...]:
    objects, most = Counter(a["image_id"] for a in dataset.annotations if counts(a)), dataset.task.most
    full = [
        f"{image.path.name}: {objects[image.image_id]}" for image in dataset.images if objects[image.image_id] > most
    ]
    if not full:
        return ()
    return (
        f"{some_of(full, 'image')} of {dataset.name} have more than {most} objects, and COCO's mAP counts "
        f"{most} detections of a class in an image: what is beyond is never found.",
    )


def calibration_remarks(images: Sequence[ImageFile], *, height: int, width: int) -> tuple[str, ...]:
    """What is doubtful of the images that a model of this size is calibrated with.

    Raises:
        DatasetError: none of them shows anything.
    """
    count = len(images)
    blank = [image.path.name for image in images if image.spread < _BLANK]
    if len(blank) == count:
        raise DatasetError(
            f"{some_of(blank, 'calibration image')} of {count} are black or of one colour, from which no range can be "
            "found: name images that show what the model will see."
        )
    small = [image for image in images if min(height / image.height, width / image.width) > _ENLARGED]
    seen: set[str] = set()
    again = [image.path.name for image in images if image.content in seen or seen.add(image.content)]  # type: ignore[func-returns-value]
    remarks = []
    if blank:
        remarks.append(f"{some_of(blank, 'calibration image')} of {count} are black or of one colour.")
    if small:
        first = small[0]
        remarks.append(
            f"{some_of([image.path.name for image in small], 'calibration image')} of {count} are so small that they "
            f"are enlarged more than {_ENLARGED} times (the first is {first.width}x{first.height} pixels, the model "
            f"takes {width}x{height}): ranges found on them may not fit what the model will see."
        )
    if again:
        remarks.append(
            f"{some_of(again, 'calibration image')} of {count} repeat another one: ranges are those of {len(seen)}."
        )
    return tuple(remarks)
