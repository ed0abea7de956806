from __future__ import annotations

import errno
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qpareto.errors import DatasetError, DiskError
from qpareto.objectives.accuracy.data.images import PADDING, Geometry, LetterboxedImages, letterbox, letterboxed_images
from qpareto.objectives.accuracy.heads import Detections
from qpareto.objectives.store import Store
from qpareto.spaces.preprocessing import Preprocessing

WriteImage = Callable[..., Path]

sides = st.integers(1, 90)


@given(width=sides, height=sides, target=st.tuples(st.sampled_from([32, 64, 96]), st.sampled_from([32, 64])))
def test_the_picture_fits_and_lies_in_the_middle(width: int, height: int, target: tuple[int, int]) -> None:
    picture, scale, (left, top) = letterbox(np.full((height, width, 3), 200, np.uint8), *target)
    assert picture.shape == (*target, 3)
    rows = np.flatnonzero((picture == 200).any((1, 2)))
    columns = np.flatnonzero((picture == 200).any((0, 2)))
    assert scale == min(target[0] / height, target[1] / width)
    assert (rows[0], columns[0]) == (top, left)
    for seen, space, side in ((rows, target[0], height), (columns, target[1], width)):
        assert len(seen) == max(round(side * scale), 1)
        after = space - seen[-1] - 1
        assert after - seen[0] in (0, 1)  # an odd pixel goes below or to the right
    assert ((picture == 200) | (picture == PADDING)).all()


def test_the_picture_is_rgb() -> None:
    blue = np.zeros((32, 32, 3), np.uint8)
    blue[..., 0] = 255  # OpenCV's order is BGR
    assert letterbox(blue, 32, 32)[0][0, 0].tolist() == [0, 0, 255]


def test_the_picture_may_be_bgr_lie_in_the_corner_on_another_grey_or_be_stretched() -> None:
    image = np.zeros((16, 32, 3), np.uint8)
    image[..., 0] = 255  # blue
    picture, scale, pad = letterbox(image, 32, 32, Preprocessing(channels="bgr", fit="corner", padding=7))
    assert (scale, pad) == (1.0, (0, 0))
    assert picture[:16].tolist() == image.tolist()
    assert (picture[16:] == 7).all()
    picture, scale, pad = letterbox(image, 32, 64, Preprocessing(fit="stretch"))
    assert (scale, pad) == (2.0, (0, 0))
    assert (picture == (0, 0, 255)).all()


@pytest.mark.parametrize("fit", ["center", "corner", "stretch", "crop"])
def test_boxes_come_back_from_wherever_an_image_lies(
    tmp_path: Path, write_image: WriteImage, fit: Literal["center", "corner", "stretch", "crop"]
) -> None:
    path = write_image("a.png", width=80, height=20)
    image = cv2.imread(str(path))
    assert image is not None
    image[:] = 0
    image[5:15, 20:60] = 255
    cv2.imwrite(str(path), image)
    taken = Preprocessing(fit=fit)
    images = letterboxed_images([path], height=40, width=80, store=Store(tmp_path / "s"), preprocessing=taken)
    white = (images.pixels[0] > 200).all(axis=2)
    (top, bottom), (left, right) = (
        (seen[0], seen[-1] + 1) for seen in map(np.flatnonzero, (white.any(1), white.any(0)))
    )
    found = Detections(np.array([[left, top, right, bottom]], np.float32), np.ones(1, np.float32), np.zeros(1, np.intp))
    assert found.on_image(images.geometry[0]).boxes.tolist() == [pytest.approx([20, 5, 60, 15], abs=0.6)]


def test_what_is_prepared_otherwise_is_kept_under_another_hash_and_what_is_not_under_its_own(
    tmp_path: Path, write_image: WriteImage
) -> None:
    store, path = Store(tmp_path / "store"), write_image("a.png")

    def prepared(**how: Any) -> LetterboxedImages:
        return letterboxed_images([path], height=32, width=32, store=store, preprocessing=Preprocessing(**how))

    ways = [prepared(), prepared(channels="bgr"), prepared(fit="corner"), prepared(padding=0), prepared(divide=1.0)]
    assert len({way.content_hash for way in ways}) == 5
    assert ways[0] == letterboxed_images([path], height=32, width=32, store=store)
    assert ways[4].path == ways[0].path, "the same pixels, which are scaled later"
    assert np.array_equal(ways[4].tensor([0]), ways[0].pixels.transpose(0, 3, 1, 2))
    assert prepared(fit="stretch") == prepared(fit="stretch"), "found as it was made"


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=30, deadline=None)
@given(width=st.integers(1, 300), height=st.integers(1, 300))
def test_pixels_are_those_of_ultralytics(width: int, height: int) -> None:
    augment = pytest.importorskip("ultralytics.data.augment")
    image = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    theirs = augment.LetterBox((160, 192), auto=False, center=True)(image=image.copy())
    assert np.array_equal(letterbox(image, 160, 192)[0], theirs[..., ::-1])


def test_images_are_kept_in_order_with_their_geometry(tmp_path: Path, write_image: WriteImage) -> None:
    paths = [write_image("b.png", width=40, height=30), write_image("a.png", width=16, height=64)]
    images = letterboxed_images(paths, height=32, width=64, store=Store(tmp_path / "store"))
    assert len(images) == 2
    assert images.geometry == (Geometry(32 / 30, 10, 0, 40, 30), Geometry(0.5, 28, 0, 16, 64))
    for path, row in zip(paths, images.pixels, strict=True):
        image = cv2.imread(str(path))
        assert image is not None
        assert np.array_equal(row, letterbox(image.astype(np.uint8), 32, 64)[0])


def test_the_same_images_are_decoded_once(
    tmp_path: Path, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, path = Store(tmp_path / "store"), write_image("a.png")
    first = letterboxed_images([path], height=32, width=32, store=store)
    monkeypatch.setattr("qpareto.objectives.accuracy.data.images.decode", None)
    assert letterboxed_images([path.rename(tmp_path / "b.png")], height=32, width=32, store=store) == first


def test_other_images_or_sizes_are_kept_apart(tmp_path: Path, write_image: WriteImage) -> None:
    store, paths = Store(tmp_path / "store"), [write_image("a.png"), write_image("b.png")]
    keys = {
        letterboxed_images(chosen, height=height, width=32, store=store).content_hash
        for chosen in (paths, paths[::-1], paths[:1])
        for height in (32, 64)
    }
    assert len(keys) == 6


def test_images_are_mapped_not_read_and_small_to_hand_over(tmp_path: Path, write_image: WriteImage) -> None:
    images = letterboxed_images([write_image("a.png")], height=640, width=640, store=Store(tmp_path / "store"))
    assert isinstance(images.pixels, np.memmap)
    assert not images.pixels.flags.writeable
    copy = pickle.loads(pickle.dumps(images))
    assert copy == images
    assert len(pickle.dumps(images)) < 2000


def test_an_image_that_broke_meanwhile_is_named(tmp_path: Path, write_image: WriteImage) -> None:
    path = write_image("a.png")
    path.write_bytes(b"broken")
    store = Store(tmp_path / "store")
    with pytest.raises(DatasetError, match=r"a.png cannot be decoded any more"):
        letterboxed_images([path], height=32, width=32, store=store)
    assert not list(store.root.glob("letterboxed/*"))


def test_a_full_disk_is_an_error_before_anything_is_mapped(
    tmp_path: Path, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)  # no disk can be filled up here
    with pytest.raises(DiskError, match="No space left"):
        letterboxed_images([write_image("a.png")], height=32, width=32, store=Store(tmp_path / "store"))
