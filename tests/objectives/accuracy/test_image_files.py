from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.image_files import check_images, decode, list_images, some_of
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
    monkeypatch.setattr("qpareto.objectives.accuracy.image_files.decode", None)
    assert check_images(paths, bad_images="skip", store=store) == first


def test_other_contents_are_decoded_again(tmp_path: Path, write_image: WriteImage) -> None:
    store, path = Store(tmp_path / "store"), write_image("a.png", width=40)
    check_images([path], bad_images="refuse", store=store)
    write_image("a.png", width=44)
    assert check_images([path], bad_images="refuse", store=store)[0][0].width == 44


def test_names_are_counted_and_shortened() -> None:
    assert some_of(["a"], "image") == "1 image (a)"
    assert some_of(["a", "b", "c", "d"], "image") == "4 images (a, b, c, ...)"
