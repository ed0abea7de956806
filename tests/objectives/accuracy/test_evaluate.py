from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from coco_scenes import Scene, pycocotools_eval
from qpareto.errors import EngineError
from qpareto.objectives.accuracy.dataset import Dataset, dataset_from_coco
from qpareto.objectives.accuracy.evaluate import accuracy_of_engine
from qpareto.objectives.accuracy.heads import Head, head_of_model
from qpareto.objectives.accuracy.images import LetterboxedImages, letterboxed_images
from qpareto.objectives.engines import Engine, EngineOptions, engine_kind
from qpareto.objectives.store import Store
from qpareto.objectives.tensors import tensor_from_pixels
from qpareto.spaces.model import read_model

HEAD = Head("end2end", 0, 1)


class BrightRectangle(Engine):
    """A detector, if a simple one: it finds the rectangle that is brighter than the padding."""

    def __init__(self, batch: int, *, fails_at: int | None = None) -> None:
        self.input_shape = (batch, 3, 64, 64)
        self._calls, self._fails_at = 0, fails_at

    def infer(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        assert images.shape == self.input_shape
        self._calls += 1
        if self._calls == self._fails_at:
            raise EngineError("the device went away")
        return (np.stack([self._found(image) for image in images]),)

    @staticmethod
    def _found(image: NDArray[np.float32]) -> NDArray[np.float32]:
        rows, columns = (np.flatnonzero(image.min(axis=0).max(axis=axis) > 0.9) for axis in (1, 0))
        return np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1, 0.8, 0]], np.float32)

    def load_input(self, images: NDArray[np.float32]) -> None:
        raise NotImplementedError

    def run_once_ms(self) -> float:
        raise NotImplementedError

    def close(self) -> None:
        pass


@pytest.fixture
def rectangles(tmp_path: Path) -> tuple[Dataset, LetterboxedImages]:
    """Seven images of different shapes, each with a white rectangle where the truth has a box."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(7):
        height, width = 64, int(rng.integers(40, 65))
        left, top = (int(n) for n in rng.integers(0, 20, 2))
        box = [left, top, *(int(n) for n in rng.integers(10, 20, 2))]
        picture = np.zeros((height, width, 3), np.uint8)
        picture[top : top + box[3], left : left + box[2]] = 255
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
        images.append({"id": i, "file_name": f"{i}.png"})
        annotations.append({"image_id": i, "category_id": 0, "bbox": box})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 0, "name": "rectangle"}]}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    dataset = dataset_from_coco(tmp_path, tmp_path / "instances.json")
    paths = [image.path for image in dataset.images]
    return dataset, letterboxed_images(paths, height=64, width=64, store=Store(tmp_path / "store"))


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8])
def test_every_image_is_scored_once_whatever_the_batch(
    rectangles: tuple[Dataset, LetterboxedImages], batch: int
) -> None:
    dataset, images = rectangles
    accuracy = accuracy_of_engine(BrightRectangle(batch), images, dataset, HEAD)
    assert accuracy.score.map50_95 == pytest.approx(1.0)
    assert sorted(accuracy.matches.images) == list(range(7))


def test_an_engine_that_fails_is_an_error(rectangles: tuple[Dataset, LetterboxedImages]) -> None:
    dataset, images = rectangles
    with pytest.raises(EngineError, match="the device went away"):
        accuracy_of_engine(BrightRectangle(1, fails_at=3), images, dataset, HEAD)


def test_a_failure_behind_the_engine_is_an_error(rectangles: tuple[Dataset, LetterboxedImages]) -> None:
    dataset, images = rectangles
    with pytest.raises(IndexError):
        accuracy_of_engine(BrightRectangle(1), images, dataset, Head("end2end", 1, 1))


def test_images_of_another_size_or_data_set_are_refused(rectangles: tuple[Dataset, LetterboxedImages]) -> None:
    dataset, images = rectangles
    engine = BrightRectangle(1)
    engine.input_shape = (1, 3, 96, 64)
    with pytest.raises(ValueError, match=r"the images are \(7, 64, 64, 3\).*want \(7, 96, 64, 3\)"):
        accuracy_of_engine(engine, images, dataset, HEAD)


@pytest.mark.parametrize("name", ["yolo11n", "yolov5n"])
def test_real_detectors_score_what_pycocotools_gives_their_detections(shared: Path, tmp_path: Path, name: str) -> None:
    """Serially and by hand: each image inferred and read on its own, all of them judged by pycocotools at once."""
    model, kind, options = read_model(shared / "models" / f"{name}.onnx"), engine_kind("openvino"), EngineOptions()
    head = head_of_model(model.output_shapes, model.class_names, model.metadata)
    folder = shared / "coco" / "eval"
    dataset = dataset_from_coco(folder / "images", folder / "instances.json", limit=20)
    dataset = dataset.for_model(model.class_names, head.classes)
    store = Store(tmp_path / "store")
    images = letterboxed_images([image.path for image in dataset.images], height=640, width=640, store=store)
    (tmp_path / "engine").mkdir()
    kind.build(model.path, tmp_path / "engine", options)
    with kind.load(tmp_path / "engine", options) as engine:
        score = accuracy_of_engine(engine, images, dataset, head).score
        detections = [
            head.detections(engine.infer(tensor_from_pixels(images.pixels[i : i + 1])))[0].on_image(geometry)
            for i, geometry in enumerate(images.geometry)
        ]
    stats, _ = pycocotools_eval(Scene(dataset, detections))
    assert [score.map50_95, score.map50, score.ap_small, score.ap_medium, score.ap_large] == [
        stats[i] for i in (0, 1, 3, 4, 5)
    ]
    assert score.map50_95 > 0.25
