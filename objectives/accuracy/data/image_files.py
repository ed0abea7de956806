"""Image files on disk: where they are, whether they can be decoded, and how large they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ....errors import DatasetError
from ...store import Store, content_key, file_hash

BadImages = Literal["refuse", "skip"]
"""What to do about image files that cannot be decoded: refuse the data set, or leave them out and say so."""

SIZES = 2  # its version, see `content_key`
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

FULL_DEPTH = 2**14  # what the brightest of 16-bit images reaches: below, 8 bits keep less than a quarter of the levels

_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_PNG_START, _PNG_DEPTH_AT, _TIFF_STARTS = b"\x89PNG", 24, (b"II", b"MM")

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ImageFile:
    """An image that can be decoded. Sizes are in pixels, after any rotation that the file asks for.

    Args:
        content: SHA-256 of the bytes, 32 hex digits.
        spread: standard deviation of its grey levels (0 to 255), of the channel that varies most.
        peak: the highest value of an image of 16 bits a channel, of which the high byte is taken; None of all others.
    """

    path: Path
    width: int
    height: int
    content: str
    spread: float
    peak: int | None


def list_images(source: Path) -> tuple[Path, ...]:
    """The image files below a folder, or named line by line in a .txt file (relative to it), sorted by path.

    As Ultralytics, links to folders are followed, and hidden files and folders (`._a.jpg`, `.ipynb_checkpoints`) left.

    Raises:
        DatasetError: there is no such folder or list, or no image in it.
    """
    if source.is_dir():
        paths = [path for path in _files_below(source) if path.suffix.lower() in IMAGE_SUFFIXES]
    elif source.is_file() and source.suffix.lower() == ".txt":
        lines = source.read_text(encoding="utf-8-sig").splitlines()
        paths = [source.parent / line.strip() for line in lines if line.strip()]
    else:
        raise DatasetError(f"There are no images at {source}: name a folder of images, or a .txt list of them.")
    if not paths:
        raise DatasetError(f"{source} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}): name another folder.")
    return tuple(sorted(set(paths)))


def check_images(
    paths: Sequence[Path], *, bad_images: BadImages, store: Store | None = None
) -> tuple[tuple[ImageFile, ...], tuple[str, ...]]:
    """Decode every image once to see that it can be; with a store, only the first time that this set is seen.

    Returns:
        The good images in the given order, and the names of those that were skipped.

    Raises:
        DatasetError: files are missing; or some are empty, truncated or no images and `bad_images` is 'refuse';
            or none is good; or they hold 12 bits or so in 16, of which 8 would leave next to nothing.
    """
    _refuse_missing(paths)
    contents = in_threads(file_hash, paths)
    looks = _looks(paths, contents, store)
    bad = tuple(path.name for path, look in zip(paths, looks, strict=True) if look is None)
    if bad and bad_images == "refuse":
        raise DatasetError(
            f"{some_of(bad, 'image')} cannot be decoded (empty, truncated or no image): replace or remove them, "
            "or set bad_images to skip."
        )
    if len(bad) == len(paths):
        raise DatasetError(f"None of the {len(paths)} images can be decoded ({some_of(bad, 'image')}): replace them.")
    rows = zip(paths, looks, contents, strict=True)
    found = tuple(
        ImageFile(path, look.width, look.height, content, look.spread, look.peak)
        for path, look, content in rows
        if look
    )
    _refuse_shallow(found)
    return found, bad


def _files_below(folder: Path) -> Iterator[Path]:
    """Each folder once, however many links lead there."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in files if not name.startswith("."))


def _refuse_shallow(images: Sequence[ImageFile]) -> None:
    """Raises DatasetError if images of 16 bits a channel use so few of them that their high bytes are near black."""
    deep = {image.path.name: image.peak for image in images if image.peak is not None}
    if deep and max(deep.values()) < FULL_DEPTH:
        raise DatasetError(
            f"{some_of(list(deep), 'image')} of {len(images)} have 16 bits a channel but no value above "
            f"{max(deep.values())}, of which OpenCV and Ultralytics would keep the high byte, which is near black: "
            "write them with 8 bits, as the model saw them in training."
        )


def _refuse_missing(paths: Sequence[Path]) -> None:
    """Raises DatasetError if any of the files is not there."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DatasetError(
            f"{some_of([path.name for path in missing], 'image')} of {len(paths)} cannot be found in "
            f"{missing[0].parent}: add the files, or correct the list that names them."
        )


def decode(path: Path) -> NDArray[np.uint8] | None:
    """The image as [height, width, 3] BGR, rotated as the file asks for, or None if it is not a whole image."""
    import cv2

    data = path.read_bytes()
    if not data or _is_truncated_jpeg(data):
        return None
    try:
        image: NDArray[np.uint8] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # a broken header can ask for more pixels than OpenCV allows
        return None
    return image


def size_as_stored(path: Path) -> tuple[int, int]:
    """(width, height) of an image that can be decoded, before any rotation that the file asks for."""
    import cv2

    data = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert image is not None  # it has been decoded before
    return image.shape[1], image.shape[0]


def some_of(names: Sequence[str], noun: str, *, plural: str | None = None, shown: int = 3) -> str:
    """'5 images (a, b, c, ...)': a count and the first few names, for an error message."""
    more = ", ..." if len(names) > shown else ""
    named = noun if len(names) == 1 else plural or f"{noun}s"
    return f"{len(names)} {named} ({', '.join(names[:shown])}{more})"


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`work` done on every item, in order, by a pool of threads: decoding and hashing release the GIL."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(work, items))


class _Look(NamedTuple):
    """What one decoding tells of an image; see `ImageFile`."""

    width: int
    height: int
    spread: float
    peak: int | None


def _looks(paths: Sequence[Path], contents: Sequence[str], store: Store | None) -> list[_Look | None]:
    """A look at each image; None where it cannot be decoded."""
    if store is None:
        return in_threads(_look, paths)
    found = store.make(
        "image-sizes",
        content_key(contents=list(contents), made_by=SIZES),
        lambda folder: _write_json(folder / "sizes.json", in_threads(_look, paths)),
    )
    return [_Look(*told) if told else None for told in json.loads((found / "sizes.json").read_text())]


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


def _look(path: Path) -> _Look | None:
    import cv2

    image = decode(path)
    if image is None:
        return None
    _, spread = cv2.meanStdDev(image)
    return _Look(image.shape[1], image.shape[0], round(float(spread.max()), 2), _peak(path.read_bytes()))


def _peak(data: bytes) -> int | None:
    """The highest value of an image of 16 bits a channel, None of all others; of these only a header is read."""
    import cv2

    if not (data.startswith(_TIFF_STARTS) or (data.startswith(_PNG_START) and data[_PNG_DEPTH_AT] == 16)):
        return None
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    return int(image.max()) if image is not None and image.dtype == np.uint16 else None


def _is_truncated_jpeg(data: bytes) -> bool:
    """Whether the last scan that starts does not end; OpenCV before 5 fills such images up with grey, silently."""
    return data.startswith(_JPEG_START) and data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN)
