"""Images as a model takes them: letterboxed once, kept in the store, and read from there whenever they are needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....errors import DatasetError
from ....spaces.preprocessing import USUAL, Preprocessing
from ...store import Store, content_key, file_hash
from ...tensors import tensor_from_pixels
from .antialiased import center_crop
from .image_files import decode, in_threads

LETTERBOXING = 1  # its version, see `content_key`
PADDING = USUAL.padding  # the grey that YOLO models are trained with


class Geometry(NamedTuple):
    """How an image lies in its letterbox: letterboxed = original * scale + pad, in pixels."""

    scale: float
    pad_x: int
    pad_y: int
    width: int  # of the original
    height: int
    scale_y: float | None = None  # where it is another than that of x

    def on_image(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points [..., 2] from letterboxed pixels to those of the original image, clipped to it."""
        pad = np.array([self.pad_x, self.pad_y], np.float32)
        scale = np.array([self.scale, self.scale_y or self.scale], np.float32)
        placed: NDArray[np.float32] = np.clip(
            (points - pad) / scale, 0, np.array([self.width, self.height], np.float32)
        )
        return placed


@dataclass(frozen=True)
class LetterboxedImages:
    """Images of one size, in the order of the paths that they were made from. Small to hand to another process.

    Args:
        path: a .npy file in the store, uint8 [images, height, width, 3], the channels in the model's order.
        geometry: one an image.
        content_hash: of the images' bytes, the letterbox's size and how they are prepared: 32 hex digits.
    """

    path: Path
    geometry: tuple[Geometry, ...]
    content_hash: str
    preprocessing: Preprocessing = USUAL

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The file, mapped anew: only what is touched takes memory."""
        mapped: NDArray[np.uint8] = np.load(self.path, mmap_mode="r")
        return mapped

    def tensor(self, rows: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float32]:
        """The images at these indices as the model takes them, [rows, 3, height, width]."""
        return tensor_from_pixels(self.pixels[rows], self.preprocessing)

    def __len__(self) -> int:
        return len(self.geometry)


def letterboxed_images(
    paths: Sequence[Path], *, height: int, width: int, store: Store, preprocessing: Preprocessing = USUAL
) -> LetterboxedImages:
    """Decode images and lay them into a rectangle with all cores, or find them in the store.

    Takes height * width * 3 bytes of disk an image; memory does not grow with their number.

    Raises:
        DatasetError: an image cannot be decoded (`check_images` finds them all beforehand).
        DiskError: the store has no room.
    """
    import cv2

    key = content_key(
        images=in_threads(file_hash, paths),
        height=height,
        width=width,
        padding=preprocessing.padding,
        opencv=cv2.__version__,
        made_by=LETTERBOXING,
        **preprocessing.changed("channels", "fit"),
    )
    folder = store.make(
        "letterboxed", key, lambda entry: _fill(entry, paths, (height, width), preprocessing), kept=True
    )
    rows = np.load(folder / "geometry.npy").tolist()
    geometry = tuple(Geometry(scale, *map(int, rest)) for scale, *rest in rows)
    if preprocessing.fit == "stretch" or (preprocessing.fit == "crop" and height != width):
        geometry = tuple(each._replace(scale_y=height / each.height) for each in geometry)
    return LetterboxedImages(folder / "pixels.npy", geometry, preprocessing.marks(key), preprocessing)


def letterbox(
    image: NDArray[np.uint8], height: int, width: int, preprocessing: Preprocessing = USUAL
) -> tuple[NDArray[np.uint8], float, tuple[int, int]]:
    """Scale an image to fit a rectangle, centre it, and fill the rest with grey, as Ultralytics' validation does.

    Args:
        image: [h, w, 3] BGR.
        preprocessing: may have it lie elsewhere, or be stretched, or cropped.

    Returns:
        The picture [height, width, 3], RGB unless told otherwise; the scale of x (above 1: enlarged); the padding
        (left, top) in pixels, below 0 where the image is cropped.
    """
    import cv2

    if preprocessing.fit == "crop":
        cropped, (left, top) = center_crop(image, height, width)
        scale = width / (min(image.shape[:2]) if height == width else image.shape[1])
        return _ordered(cropped, preprocessing), scale, (-left, -top)
    scale = min(height / image.shape[0], width / image.shape[1])
    new_width, new_height = (max(round(side * scale), 1) for side in (image.shape[1], image.shape[0]))
    if preprocessing.fit == "stretch":
        scale, new_width, new_height = width / image.shape[1], width, height
    if (new_height, new_width) != image.shape[:2]:
        image = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    # Of an odd padding the smaller half comes first.
    left, top = round((width - new_width) / 2 - 0.1), round((height - new_height) / 2 - 0.1)
    if preprocessing.fit == "corner":
        left = top = 0
    picture = np.full((height, width, 3), preprocessing.padding, np.uint8)
    picture[top : top + new_height, left : left + new_width] = _ordered(image, preprocessing)
    return picture, scale, (left, top)


def _ordered(image: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    return image if preprocessing.channels == "bgr" else image[:, :, ::-1]


def _fill(folder: Path, paths: Sequence[Path], size: tuple[int, int], preprocessing: Preprocessing) -> None:
    """Write pixels.npy and geometry.npy ([images, 5], the first fields of `Geometry`)."""
    shape = (len(paths), *size, 3)
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)
    # The blocks are claimed first: a disk that fills up under a mapped file kills the process instead of raising.
    with (folder / "pixels.npy").open("r+b") as stream:
        os.posix_fallocate(stream.fileno(), 0, stream.seek(0, os.SEEK_END))

    def fill_row(row: int) -> Geometry:
        image = decode(paths[row])
        if image is None:
            raise DatasetError(f"{paths[row]} cannot be decoded any more: restore it, or remove it and start anew.")
        pixels[row], scale, pad = letterbox(image, *size, preprocessing)
        return Geometry(scale, *pad, image.shape[1], image.shape[0])

    geometry = in_threads(fill_row, range(len(paths)))
    pixels.flush()
    np.save(folder / "geometry.npy", np.array([each[:5] for each in geometry], np.float64))
