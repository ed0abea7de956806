from __future__ import annotations

import ast
import hashlib
import importlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

QUICKSTART = Path(__file__).resolve().parents[2] / "studies" / "quickstart"

# SHA-256 of the objects in the first three pictures of each seed.
RECORDED = "7f88d23d8cc796c75abee013eeb31d96790fa7510e16a98d8f6a7f0339e0df54"


def _pictures() -> Any:
    """pictures.py, which is a script and in no package; it imports shapes.py from its own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(QUICKSTART)
        return importlib.import_module("pictures")


pictures = _pictures()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def painted(colour: int) -> Any:
    return lambda height, width: np.full((height, width, 3), colour, np.float32)


def bright_box(scene: Any) -> tuple[int, int, int, int]:
    """Left, top, width, height of what is white, read off the pixels alone."""
    bright = scene.pixels[:, :, 0] > 127
    columns, rows = np.flatnonzero(bright.any(axis=0)), np.flatnonzero(bright.any(axis=1))
    return columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1


def white_shape(name: str, seed: int, radius: float, middle: tuple[float, float]) -> Any:
    """A scene of one white shape on black."""
    scene = pictures.Scene(np.zeros((pictures.SIZE, pictures.SIZE, 3)))
    outline = pictures.SHAPES[name](np.random.default_rng(seed))
    scene.stamp([p * radius + middle for p in outline], painted(255), pictures.CLASSES.index(name))
    return scene


def rectangle(left: float, top: float, right: float, bottom: float) -> list[Any]:
    return [np.array([(left, top), (right, top), (right, bottom), (left, bottom)])]


def test_the_same_seed_and_index_give_the_same_pixels_and_boxes() -> None:
    first, second = pictures.draw_picture(7, 3), pictures.draw_picture(7, 3)
    assert np.array_equal(first[0], second[0])
    assert first[1] == second[1]


def test_a_picture_does_not_depend_on_how_many_are_drawn(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    few = pictures.save_pictures(pool, tmp_path / "few", "eval", 2)
    more = pictures.save_pictures(pool, tmp_path / "more", "eval", 5)
    assert more[:2] == few
    for name in ("000000.jpg", "000001.jpg"):
        assert (tmp_path / "few" / name).read_bytes() == (tmp_path / "more" / name).read_bytes()


def test_no_two_splits_share_a_picture() -> None:
    drawn = [pictures.draw_picture(seed, i)[0].tobytes() for seed in pictures.SEEDS.values() for i in range(3)]
    assert len(set(drawn)) == len(drawn) == 3 * len(pictures.SEEDS)


def test_the_quickstarts_pictures_hold_the_objects_that_its_figures_are_of() -> None:
    seen = [pictures.draw_picture(seed, i)[1] for seed in pictures.SEEDS.values() for i in range(3)]
    assert hashlib.sha256(repr(seen).encode()).hexdigest() == RECORDED


@pytest.mark.parametrize("size", [pictures.SIZE, 640])
@pytest.mark.parametrize("index", range(8))
def test_boxes_lie_in_the_picture(index: int, size: int) -> None:
    pixels, things = pictures.draw_picture(11, index, size)
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    for thing in things:
        left, top, width, height = thing.box
        assert min(left, top) >= 0
        assert max(left + width, top + height) <= size
        assert 0 < thing.area <= width * height


def test_a_larger_picture_holds_more_objects_and_larger_ones() -> None:
    small, large = ([pictures.draw_picture(11, i, size)[1] for i in range(8)] for size in (pictures.SIZE, 640))
    assert 1.5 < sum(map(len, large)) / sum(map(len, small)) < 2.5
    assert max(t.box[2] for things in large for t in things) > 160
    assert min(t.box[2] for things in large for t in things) < 30


@given(
    name=st.sampled_from(pictures.CLASSES),
    seed=st.integers(0, 99),
    radius=st.floats(10, 70),
    middle=st.tuples(st.floats(0, 320), st.floats(0, 320)),
)
def test_a_box_is_the_extent_of_the_drawn_pixels(
    name: str, seed: int, radius: float, middle: tuple[float, float]
) -> None:
    scene = white_shape(name, seed, radius, middle)
    for thing in scene.things():  # none where most of it lies outside
        assert thing.box == bright_box(scene)
        assert thing.area == np.count_nonzero(scene.pixels[:, :, 0] > 127)


@pytest.mark.parametrize("name", pictures.CLASSES)
def test_a_box_lies_within_a_pixel_of_the_outline(name: str) -> None:
    scene = white_shape(name, 0, 40.0, (160.0, 150.0))
    corners = np.concatenate(pictures.SHAPES[name](np.random.default_rng(0))) * 40 + (160, 150)
    (thing,) = scene.things()
    left, top, width, height = thing.box
    assert np.abs(corners.min(axis=0) - (left, top)).max() <= 1.5  # a sharp tip is thinner than a pixel
    assert np.abs(corners.max(axis=0) - (left + width, top + height)).max() <= 1.5


def test_a_box_shrinks_to_what_is_left_uncovered() -> None:
    scene = white_shape("cross", 0, 60.0, (160.0, 160.0))
    scene.stamp(rectangle(0, 0, 160, 320), painted(0))  # clutter over its left half
    (thing,) = scene.things()
    assert thing.box == bright_box(scene)
    assert thing.box[0] == 160


def test_an_object_that_is_mostly_covered_bears_no_box() -> None:
    scene = white_shape("circle", 0, 40.0, (160.0, 160.0))
    scene.stamp(rectangle(0, 0, 185, 320), painted(90), label=2)
    assert [thing.label for thing in scene.things()] == [2]


@pytest.mark.parametrize("size", [pictures.SIZE, 640])
def test_labels_for_ultralytics_hold_the_same_boxes_as_the_coco_file(size: int) -> None:
    seen = [pictures.draw_picture(5, i, size)[1] for i in range(3)]
    coco = pictures.coco_instances(seen, size)
    assert {(image["width"], image["height"]) for image in coco["images"]} == {(size, size)}
    assert [c["name"] for c in coco["categories"]] == list(pictures.CLASSES)
    rows = [
        np.array(line.split(), float) for things in seen for line in pictures.yolo_labels(things, size).splitlines()
    ]
    assert len(rows) == len(coco["annotations"]) > 10
    for row, annotation in zip(rows, coco["annotations"], strict=True):
        middle, extent = row[1:3] * size, row[3:5] * size
        assert row[0] == annotation["category_id"] - 1
        assert np.allclose([*(middle - extent / 2), *extent], annotation["bbox"])


def test_the_study_data_is_drawn_whole_and_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "ProcessPoolExecutor", ThreadPoolExecutor)
    pictures.draw_study_data(tmp_path / "data", {"eval": 2, "confirm": 2, "calib": 1})
    for split in ("eval", "confirm"):
        instances = json.loads((tmp_path / "data" / split / "instances.json").read_text())
        names = sorted(path.name for path in (tmp_path / "data" / split / "images").iterdir())
        assert [image["file_name"] for image in instances["images"]] == names == ["000000.jpg", "000001.jpg"]
    (calibration,) = (tmp_path / "data" / "calib" / "images").iterdir()
    assert len(json.loads((tmp_path / "data" / "calib" / "instances.json").read_text())["images"]) == 1
    written = calibration.stat().st_mtime_ns
    pictures.draw_study_data(tmp_path / "data", {"eval": 3, "confirm": 3, "calib": 3})
    assert calibration.stat().st_mtime_ns == written
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]


def test_study_data_that_cannot_be_drawn_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pictures, "ProcessPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr(pictures, "coco_instances", refuse)
    with pytest.raises(OSError, match="no space left"):
        pictures.draw_study_data(tmp_path / "data", {"eval": 1, "calib": 1})
    assert not list(tmp_path.iterdir())


def test_the_model_was_trained_on_these_classes() -> None:
    import onnx

    model = onnx.load(QUICKSTART / "shapes-yolo11n.onnx")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert tuple(ast.literal_eval(metadata["names"]).values()) == pictures.CLASSES
    assert ast.literal_eval(metadata["imgsz"]) == [pictures.SIZE, pictures.SIZE]
