"""A data set of classification on disk, as Ultralytics and torchvision have it: a folder of images for each class."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from ....errors import DatasetError
from .image_files import list_images

_SPLITS = {"train": ("train",), "val": ("val", "validation", "valid", "test")}  # where Ultralytics looks, in this order


@dataclass(frozen=True)
class ClassFolders:
    """The images of one split.

    Args:
        names: of all classes, sorted; those of the training images too, where they are at hand.
        images: with the index of their class; by turns one of each, so that the first few show them all.
    """

    names: tuple[str, ...]
    images: tuple[tuple[Path, int], ...]


def read_class_folders(folder: Path, *, split: str = "val") -> ClassFolders:
    """Read `val/<class>/*.jpg` below a folder, or `<class>/*.jpg` where it has no splits.

    Raises:
        DatasetError: there is no such folder, it has no such split, or no folder of images in it.
    """
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}: name one that holds a folder of images for each class.")
    place = _split_of(folder, split)
    if place is None:
        raise DatasetError(f"{folder} has no folder '{split}': add it, or name the folder that has the classes in it.")
    train = _split_of(folder, "train")
    own = _folders(place)
    names = sorted({*own, *(_folders(train) if train else ())})
    found = [(names.index(name), list_images(place / name)) for name in own]
    if not found:
        raise DatasetError(f"{place} holds no folders of images, one for each class: name a folder that does.")
    turns = zip_longest(*([(path, index) for path in images] for index, images in found))
    return ClassFolders(tuple(names), tuple(each for turn in turns for each in turn if each is not None))


def has_split(folder: Path, split: str) -> bool:
    """Whether a folder has a folder of this split."""
    return _split_of(folder, split) not in {None, folder}


def _split_of(folder: Path, split: str) -> Path | None:
    """Where a split's classes are: the folder itself where it has no splits at all; None where it has others only."""
    there = [name for names in _SPLITS.values() for name in names if (folder / name).is_dir()]
    if not there:
        return folder if split == "val" else None
    return next((folder / name for name in _SPLITS[split] if name in there), None)


def _folders(place: Path) -> list[str]:
    """Names of those that hold anything."""
    there = (path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))
    return sorted(path.name for path in there if any(path.iterdir()))
