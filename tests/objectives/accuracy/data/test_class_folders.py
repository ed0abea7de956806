from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.data.class_folders import has_split, read_class_folders

WriteImage = Callable[..., Path]


def test_classes_are_sorted_folders_and_images_come_by_turns(tmp_path: Path, write_image: WriteImage) -> None:
    for name in ("val/dog/a.png", "val/cat/b.png", "val/cat/a.png", "val/cat/deep/c.png", "val/.cache/x.png"):
        write_image(name)
    found = read_class_folders(tmp_path)
    assert found.names == ("cat", "dog")
    names = [(path.relative_to(tmp_path / "val").as_posix(), index) for path, index in found.images]
    assert names == [("cat/a.png", 0), ("dog/a.png", 1), ("cat/b.png", 0), ("cat/deep/c.png", 0)]


def test_classes_of_the_training_images_count_too(tmp_path: Path, write_image: WriteImage) -> None:
    for name in ("val/dog/a.png", "train/cat/b.png", "train/dog/c.png"):
        write_image(name)
    assert read_class_folders(tmp_path).names == ("cat", "dog")
    assert read_class_folders(tmp_path).images == ((tmp_path / "val/dog/a.png", 1),)
    assert [index for _, index in read_class_folders(tmp_path, split="train").images] == [0, 1]


@pytest.mark.parametrize("name", ["val", "validation", "valid", "test"])
def test_the_split_is_where_ultralytics_looks_for_it(tmp_path: Path, write_image: WriteImage, name: str) -> None:
    write_image(f"{name}/cat/a.png")
    write_image("train/cat/b.png")
    assert read_class_folders(tmp_path).images == ((tmp_path / name / "cat/a.png", 0),)


def test_a_folder_without_splits_holds_the_classes_itself(tmp_path: Path, write_image: WriteImage) -> None:
    write_image("cat/a.png")
    write_image("dog/a.png")
    (tmp_path / "empty").mkdir()
    assert [index for _, index in read_class_folders(tmp_path).images] == [0, 1]
    assert read_class_folders(tmp_path).names == ("cat", "dog")
    assert not has_split(tmp_path, "train")


@pytest.mark.parametrize(
    ("files", "split", "refusal"),
    [
        ([], "val", "holds no folders of images, one for each class"),
        (["a.png"], "val", "holds no folders of images, one for each class"),
        (["train/cat/a.png"], "val", "has no folder 'val'"),
        (["val/cat/a.png"], "train", "has no folder 'train'"),
    ],
)
def test_what_is_no_such_data_set_is_refused(
    tmp_path: Path, write_image: WriteImage, files: list[str], split: str, refusal: str
) -> None:
    for name in files:
        write_image(name)
    with pytest.raises(DatasetError, match=refusal):
        read_class_folders(tmp_path, split=split)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no folder"):
        read_class_folders(tmp_path / "nowhere")
