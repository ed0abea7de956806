from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.data.image_files import check_images, decode, list_images, some_of
from qpareto.objectives.store import Store, file_hash

WriteImage = Callable[..., Path]


def test_images_of_a_folder_are_found_at_any_depth_and_sorted(tmp_path: Path, write_image: WriteImage) -> None:
    paths = [write_image(name) for name in ("b/2.jpg", "b/1.PNG", "a.bmp")]
    (tmp_path / "notes.md").write_text("no image")
    assert list_images(tmp_path) == tuple(sorted(paths))


def test_a_list_names_images_relative_to_itself(tmp_path: Path, write_image: WriteImage) -> None:
    one, other = write_image("a.png"), write_image("deep/b.png")
    (tmp_path / "list.txt").write_text(f"./deep/b.png\n\n{one}\n")
    assert list_images(tmp_path / "list.txt") == (one, other)


def test_links_to_folders_are_followed_once_and_hidden_files_left(tmp_path: Path, write_image: WriteImage) -> None:
    inside, beyond = write_image("set/a.jpg"), write_image("elsewhere/b.jpg")
    for name in ("set/._a.jpg", "set/.ipynb_checkpoints/a.jpg"):
        write_image(name)
    (tmp_path / "set" / "link").symlink_to(beyond.parent)
    (beyond.parent / "back").symlink_to(inside.parent)
    assert list_images(tmp_path / "set") == (inside, tmp_path / "set" / "link" / "b.jpg")


@pytest.mark.parametrize(("name", "says"), [("nowhere", "There are no images at"), ("empty", "holds no image")])
def test_a_folder_without_images_is_refused(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=says):
        list_images(tmp_path / name)


def test_good_images_are_told_with_size_and_content(write_image: WriteImage) -> None:
    path = write_image("a.jpg", width=48, height=20)
    (file,), skipped = check_images([path], bad_images="refuse")
    assert (file.path, file.width, file.height, file.content) == (path, 48, 20, file_hash(path))
    assert skipped == ()


def write_deep(path: Path, *, peak: int) -> Path:
    """Noise of 16 bits a channel, up to `peak`."""
    pixels = np.random.default_rng(0).integers(0, peak + 1, (30, 40, 3), dtype=np.uint16)
    pixels[0, 0] = peak
    assert cv2.imwrite(str(path), pixels)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
@pytest.mark.parametrize("peak", [255, 4095])
def test_images_of_16_bits_that_would_be_near_black_are_refused(tmp_path: Path, name: str, peak: int) -> None:
    said = (
        rf"1 image \({name}\) of 1 have 16 bits a channel but no value above {peak}, .* near black: write them with 8"
    )
    with pytest.raises(DatasetError, match=said):
        check_images([write_deep(tmp_path / name, peak=peak)], bad_images="refuse")


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_of_full_16_bits_the_high_byte_is_taken_as_ultralytics_does(tmp_path: Path, name: str) -> None:
    path = write_deep(tmp_path / name, peak=65535)
    (file,), _ = check_images([path], bad_images="refuse")
    assert file.peak == 65535
    deep, found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED), decode(path)
    assert deep is not None
    assert found is not None
    assert np.abs(found.astype(int) - deep.astype(int) // 256).max() <= 1  # libtiff rounds


def test_what_varies_in_an_image_is_told(tmp_path: Path, write_image: WriteImage) -> None:
    black = tmp_path / "black.png"
    assert cv2.imwrite(str(black), np.zeros((30, 40, 3), np.uint8))
    (dark, noise), _ = check_images([black, write_image("noise.png")], bad_images="refuse")
    assert (dark.spread, dark.peak, noise.peak) == (0.0, None, None)
    assert noise.spread == pytest.approx(256 / 12**0.5, rel=0.05)


def broken_images(write_image: WriteImage) -> list[Path]:
    jpeg, png, empty, text = (write_image(name) for name in ("cut.jpg", "cut.png", "empty.png", "text.jpg"))
    jpeg.write_bytes(jpeg.read_bytes()[:-40])
    png.write_bytes(png.read_bytes()[:-40])
    empty.write_bytes(b"")
    text.write_text("<html>404</html>")
    return [jpeg, png, empty, text]


def test_broken_images_are_refused_with_their_names_and_number(write_image: WriteImage) -> None:
    paths = [write_image("good.png"), *broken_images(write_image)]
    with pytest.raises(DatasetError, match=r"4 images \(cut.jpg, cut.png, empty.png, ...\) cannot be decoded"):
        check_images(paths, bad_images="refuse")


def test_broken_images_are_skipped_by_choice(write_image: WriteImage) -> None:
    good = write_image("good.png")
    files, skipped = check_images([good, *broken_images(write_image)], bad_images="skip")
    assert [file.path for file in files] == [good]
    assert skipped == ("cut.jpg", "cut.png", "empty.png", "text.jpg")


def test_skipping_everything_is_refused(write_image: WriteImage) -> None:
    with pytest.raises(DatasetError, match="None of the 4 images can be decoded"):
        check_images(broken_images(write_image), bad_images="skip")


def test_a_jpeg_with_something_after_its_end_is_whole(write_image: WriteImage) -> None:
    path = write_image("a.jpg")
    path.write_bytes(path.read_bytes() + b"\0" * 100)
    assert decode(path) is not None


def test_missing_images_are_named_even_if_bad_ones_are_skipped(tmp_path: Path, write_image: WriteImage) -> None:
    paths = [write_image("a.png"), tmp_path / "lost.png", tmp_path / "gone.png"]
    with pytest.raises(DatasetError, match=r"2 images \(lost.png, gone.png\) of 3 cannot be found"):
        check_images(paths, bad_images="skip")


def test_a_store_spares_the_decoding(tmp_path: Path, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch) -> None:
    store, paths = Store(tmp_path / "store"), [write_image("good.png"), *broken_images(write_image)]
    first = check_images(paths, bad_images="skip", store=store)
    monkeypatch.setattr("qpareto.objectives.accuracy.data.image_files.decode", None)
    assert check_images(paths, bad_images="skip", store=store) == first


def test_other_contents_are_decoded_again(tmp_path: Path, write_image: WriteImage) -> None:
    store, path = Store(tmp_path / "store"), write_image("a.png", width=40)
    check_images([path], bad_images="refuse", store=store)
    write_image("a.png", width=44)
    assert check_images([path], bad_images="refuse", store=store)[0][0].width == 44


def test_names_are_counted_and_shortened() -> None:
    assert some_of(["a"], "image") == "1 image (a)"
    assert some_of(["a", "b", "c", "d"], "image") == "4 images (a, b, c, ...)"
