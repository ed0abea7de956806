"""Image files on disk: where they are, whether they can be decoded, and how large they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ..store import Store, content_key, file_hash

BadImages = Literal["refuse", "skip"]
"""What to do about image files that cannot be decoded: refuse the data set, or leave them out and say so."""

SIZES = 1  # its version, see `content_key`
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ImageFile:
    """An image that can be decoded. Sizes are in pixels, after any rotation that the file asks for."""

    path: Path
    width: int
    height: int
    content: str  # SHA-256 of the bytes, 32 hex digits


def list_images(source: Path) -> tuple[Path, ...]:
    """The image files below a folder, or named line by line in a .txt file (relative to it), sorted by path.

    Raises:
        DatasetError: there is no such folder or list, or no image in it.
    """
    if source.is_dir():
        paths = [path for path in source.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES]
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
            or none is good.
    """
    _refuse_missing(paths)
    contents = in_threads(file_hash, paths)
    sizes = _sizes(paths, contents, store)
    bad = tuple(path.name for path, size in zip(paths, sizes, strict=True) if size is None)
    if bad and bad_images == "refuse":
        raise DatasetError(
            f"{some_of(bad, 'image')} cannot be decoded (empty, truncated or no image): replace or remove them, "
            "or set bad_images to skip."
        )
    if len(bad) == len(paths):
        raise DatasetError(f"None of the {len(paths)} images can be decoded ({some_of(bad, 'image')}): replace them.")
    rows = zip(paths, sizes, contents, strict=True)
    return tuple(ImageFile(path, *size, content) for path, size, content in rows if size is not None), bad


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


def some_of(names: Sequence[str], noun: str, *, shown: int = 3) -> str:
    """'5 images (a, b, c, ...)': a count and the first few names, for an error message."""
    more = ", ..." if len(names) > shown else ""
    return f"{len(names)} {noun}{'s' * (len(names) != 1)} ({', '.join(names[:shown])}{more})"


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`work` done on every item, in order, by a pool of threads: decoding and hashing release the GIL."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(work, items))


def _sizes(paths: Sequence[Path], contents: Sequence[str], store: Store | None) -> list[tuple[int, int] | None]:
    """(width, height) of each image, None where it cannot be decoded."""
    if store is None:
        return in_threads(_size, paths)
    found = store.make(
        "image-sizes",
        content_key(contents=list(contents), made_by=SIZES),
        lambda folder: _write_json(folder / "sizes.json", in_threads(_size, paths)),
    )
    return [tuple(size) if size else None for size in json.loads((found / "sizes.json").read_text())]


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


def _size(path: Path) -> tuple[int, int] | None:
    image = decode(path)
    return None if image is None else (image.shape[1], image.shape[0])


def _is_truncated_jpeg(data: bytes) -> bool:
    """Whether the last scan that starts does not end; OpenCV before 5 fills such images up with grey, silently."""
    return data.startswith(_JPEG_START) and data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN)
