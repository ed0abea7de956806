from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.data.yolo_files import YoloBox, label_path, read_labels, read_yolo

WriteImage = Callable[..., Path]
NAMES = ("cat", "dog")


@pytest.fixture
def images(write_image: WriteImage) -> list[Path]:
    return [write_image(f"{split}/images/{name}.png") for split in ("train", "valid") for name in ("a", "b")]


def data_yaml(folder: Path, **content: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "data.yaml").write_text(yaml.safe_dump({"names": list(NAMES), **content}))
    return folder / "data.yaml"


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ({"val": "valid/images"}, [2, 3]),
        ({"path": "valid", "val": "images"}, [2, 3]),
        ({"val": ["train/images", "valid/images"]}, [0, 1, 2, 3]),
        ({"val": "../valid/images"}, [2, 3]),
        ({"val": "list.txt"}, [1, 2]),
    ],
)
def test_a_split_is_a_folder_a_list_or_several(
    tmp_path: Path, images: list[Path], content: dict[str, Any], kept: list[int]
) -> None:
    (tmp_path / "list.txt").write_text("./train/images/b.png\n./valid/images/a.png\n")
    assert read_yolo(data_yaml(tmp_path, **content), split="val").images == tuple(images[i] for i in kept)


def test_an_absolute_root_is_taken_as_it_is(tmp_path: Path, images: list[Path]) -> None:
    path = data_yaml(tmp_path / "elsewhere", path=str(tmp_path), val="valid/images")
    assert read_yolo(path, split="val").images == tuple(images[2:])


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"names": ["cat", "dog"]}, NAMES),
        ({"names": {1: "dog", 0: "cat"}, "nc": 2}, NAMES),
        ({"names": {"0": "cat", "1": "dog"}}, NAMES),
        ({"names": None, "nc": 3}, ("class_0", "class_1", "class_2")),
    ],
)
def test_classes_are_a_list_a_dictionary_or_a_number(
    tmp_path: Path, images: list[Path], content: dict[str, Any], names: tuple[str, ...]
) -> None:
    assert read_yolo(data_yaml(tmp_path, val="valid", **content), split="val").names == names


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"train": "train"}, "has no 'val:' with images"),
        ({"val": "nowhere"}, "There are no images at .*nowhere"),
        ({"val": "valid", "names": None}, "has no 'names:' numbered from 0"),
        ({"val": "valid", "names": {1: "cat", 2: "dog"}}, "has no 'names:' numbered from 0"),
        ({"val": "valid", "nc": 3}, "says nc: 3 but names 2 classes"),
        ({"val": "valid", "names": {"0": "cat", 0: "dog"}}, "has no 'names:' numbered from 0"),
        ({"val": "valid", "kpt_shape": 17}, r"has kpt_shape: 17, but it is \[key points, 2 or 3"),
    ],
)
def test_a_data_yaml_that_names_too_little_is_refused(
    tmp_path: Path, images: list[Path], content: dict[str, Any], says: str
) -> None:
    with pytest.raises(DatasetError, match=says):
        read_yolo(data_yaml(tmp_path, **content), split="val")


@pytest.fixture
def elsewhere(tmp_path: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Ultralytics' folder of data sets is said to be, and where nothing else is."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    settings = tmp_path / "config" / "Ultralytics" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"datasets_dir": str(tmp_path / "datasets")}))
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "datasets"


@pytest.mark.parametrize("place", ["set", "here/set", "file/set", "datasets/set"])
def test_a_relative_path_is_looked_for_where_ultralytics_does_and_beside_the_file(
    tmp_path: Path, elsewhere: Path, place: str
) -> None:
    elsewhere.mkdir()
    path = data_yaml(tmp_path / "file", path="set", val="images/val")
    image = tmp_path / place / "images" / "val" / "a.png"
    image.parent.mkdir(parents=True)
    (tmp_path / "valid" / "images" / "a.png").rename(image)
    (found,) = read_yolo(path, split="val").images
    assert found.samefile(image)


def test_every_place_that_was_looked_in_is_named(tmp_path: Path, elsewhere: Path) -> None:
    path = data_yaml(tmp_path / "file", path="set", val="images/val")
    places = [tmp_path / name / "set" / "images" / "val" for name in ("file", "here", "", "datasets")]
    with pytest.raises(DatasetError) as refused:
        read_yolo(path, split="val")
    assert f"There are no images at {' or '.join(map(str, places))}: correct" in str(refused.value)


def test_without_settings_ultralytics_data_sets_lie_where_it_runs(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "config" / "Ultralytics" / "settings.json").write_text("{")
    path = data_yaml(tmp_path / "file", path="set", val="images/val")
    with pytest.raises(DatasetError, match=str(tmp_path / "here" / "datasets" / "set")):
        read_yolo(path, split="val")


def test_validation_is_another_name_of_val(tmp_path: Path, images: list[Path]) -> None:
    assert read_yolo(data_yaml(tmp_path, validation="valid"), split="val").images == tuple(images[2:])


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("names: [cat")
    with pytest.raises(DatasetError, match="is not readable YAML"):
        read_yolo(tmp_path / "data.yaml", split="val")
    with pytest.raises(DatasetError, match="There is no data set at"):
        read_yolo(tmp_path / "other.yaml", split="val")


def test_labels_lie_beside_the_last_images_folder() -> None:
    assert label_path(Path("/images/set/images/a/b.jpg")) == Path("/images/set/labels/a/b.txt")
    assert label_path(Path("/set/b.jpg")) == Path("/set/b.txt")


def write_labels(image: Path, text: str) -> None:
    label_path(image).parent.mkdir(exist_ok=True)
    label_path(image).write_text(text)


def test_boxes_and_polygons_become_boxes(images: list[Path]) -> None:
    write_labels(images[0], "1 0.5 0.5 0.25 0.5\n\n0 0.125 0.25 0.5 0.25 0.5 0.75\n")
    assert read_labels(images[0], NAMES) == (YoloBox(1, 0.375, 0.25, 0.25, 0.5), YoloBox(0, 0.125, 0.25, 0.375, 0.5))


def test_of_a_pose_label_the_first_four_numbers_are_the_box(images: list[Path]) -> None:
    write_labels(images[0], "1 0.5 0.5 0.25 0.5 0.1 0.2 0.3 0.4\n0 0.5 0.5 0.25 0.5\n")
    boxes = read_labels(images[0], NAMES, key_points=4)
    assert boxes == (YoloBox(1, 0.375, 0.25, 0.25, 0.5), YoloBox(0, 0.375, 0.25, 0.25, 0.5))
    with pytest.raises(DatasetError, match=r"a.txt:1 is no label \(class and box, or class, box and the 6 numbers of"):
        read_labels(images[0], NAMES, key_points=6)


def test_repeated_lines_count_once(images: list[Path]) -> None:
    write_labels(images[0], "1 0.5 0.5 0.25 0.5\n1 0.5 0.5 0.25 0.50\n")
    assert len(read_labels(images[0], NAMES)) == 1


def test_an_image_without_labels_has_no_boxes(images: list[Path]) -> None:
    write_labels(images[1], "")
    assert read_labels(images[0], NAMES) == read_labels(images[1], NAMES) == ()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("cat 0.5 0.5 0.2 0.2", r"a.txt:2 is no label"),
        ("0 0.5 0.5 0.2", r"a.txt:2 is no label"),
        ("0 0.5 0.5 0.2 0.2 0.9", r"a.txt:2 is no label"),
        ("2 0.5 0.5 0.2 0.2", r"a.txt:2 has the class 2, but the data set names classes 0 to 1"),
        ("0.5 0.5 0.5 0.2 0.2", r"a.txt:2 has the class 0.5"),
        ("0 32 16 20 20", r"a.txt:2 has numbers outside 0..1"),
        ("0 0.5 0.5 -0.005 0.2", r"a.txt:2 has numbers outside 0..1"),
        ("0 nan 0.5 0.2 0.2", r"a.txt:2 has numbers outside 0..1"),
    ],
)
def test_a_bad_label_is_refused_with_its_line(images: list[Path], line: str, says: str) -> None:
    write_labels(images[0], f"0 0.5 0.5 0.2 0.2\n{line}\n")
    with pytest.raises(DatasetError, match=says):
        read_labels(images[0], NAMES)
