from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bright_rectangles import HEAD, BrightRectangle, rectangles_in
from coco_scenes import Scene, pycocotools_eval
from qpareto.errors import EngineError
from qpareto.objectives.accuracy.data.evaluation_set import EvaluationSet
from qpareto.objectives.accuracy.data.reading import dataset_from_coco
from qpareto.objectives.accuracy.evaluate import accuracy_of_engine, threads_beside
from qpareto.objectives.accuracy.heads import Detections
from qpareto.objectives.accuracy.heads.head_kinds import head_of_model
from qpareto.objectives.accuracy.heads.plain_heads import EndToEndHead
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.store import Store
from qpareto.objectives.tensors import tensor_from_pixels
from qpareto.spaces.model import read_model


class SlowHead(EndToEndHead):
    """Takes longer than the engine, and for every image another time."""

    def detections(self, outputs: Sequence[NDArray[np.float32]]) -> list[Detections]:
        time.sleep(float(outputs[0].sum()) % 0.02)
        return super().detections(outputs)


@pytest.fixture
def rectangles(tmp_path: Path) -> EvaluationSet:
    return rectangles_in(tmp_path, 7)


@pytest.fixture(scope="module")
def many_rectangles(tmp_path_factory: pytest.TempPathFactory) -> EvaluationSet:
    return rectangles_in(tmp_path_factory.mktemp("rectangles"), 60)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8])
def test_every_image_is_scored_once_whatever_the_batch(rectangles: EvaluationSet, batch: int, threads: int) -> None:
    accuracy = accuracy_of_engine(BrightRectangle(batch), rectangles, HEAD, threads=threads)
    assert accuracy.score.value == pytest.approx(1.0)
    assert sorted(accuracy.matches.images) == list(range(7))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch", [1, 8])
def test_outputs_wait_for_slow_matching_in_order_and_not_in_heaps(
    many_rectangles: EvaluationSet, batch: int, threads: int
) -> None:
    engine = BrightRectangle(batch)
    accuracy = accuracy_of_engine(engine, many_rectangles, SlowHead(0, 1), threads=threads)
    assert accuracy.score.value == pytest.approx(1.0)
    assert engine.most_held <= (3 * batch + 4 * threads) / batch


@pytest.mark.parametrize("threads", [1, 4])
def test_an_engine_that_fails_is_an_error(rectangles: EvaluationSet, threads: int) -> None:
    before = threading.active_count()
    with pytest.raises(EngineError, match="the device went away"):
        accuracy_of_engine(BrightRectangle(1, fails_at=3), rectangles, HEAD, threads=threads)
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 4])
def test_a_failure_behind_the_engine_stops_it(many_rectangles: EvaluationSet, threads: int) -> None:
    engine = BrightRectangle(1, fails_at=50)
    with pytest.raises(EngineError, match="gives 1 outputs"):
        accuracy_of_engine(engine, many_rectangles, EndToEndHead(1, 1), threads=threads)
    assert engine.calls < 50


def test_a_failure_ahead_of_the_engine_is_an_error(rectangles: EvaluationSet) -> None:
    np.save(
        rectangles.pixels.path, rectangles.pixels.pixels.astype(np.complex64)
    )  # which numpy warns of, and here a warning is an error
    with pytest.raises(np.exceptions.ComplexWarning):
        accuracy_of_engine(BrightRectangle(1), rectangles, HEAD, threads=2)


def test_only_an_engine_that_leaves_the_processors_alone_has_more_than_one_thread_beside_it() -> None:
    assert threads_beside(engine_kind("tensorrt")) > 1
    assert threads_beside(engine_kind("openvino")) == 1


def test_images_of_another_size_or_data_set_are_refused(rectangles: EvaluationSet) -> None:
    engine = BrightRectangle(1)
    engine.input_shape = (1, 3, 96, 64)
    with pytest.raises(ValueError, match=r"the images are \(7, 64, 64, 3\).*want \(7, 96, 64, 3\)"):
        accuracy_of_engine(engine, rectangles, HEAD)


@pytest.mark.parametrize("name", ["yolo11n", "yolov5n"])
def test_real_detectors_score_what_pycocotools_gives_their_detections(shared: Path, tmp_path: Path, name: str) -> None:
    """Serially and by hand: each image inferred and read on its own, all of them judged by pycocotools at once."""
    model, kind, options = read_model(shared / "models" / f"{name}.onnx"), engine_kind("openvino"), OpenVinoOptions()
    head = head_of_model(model.output_shapes, model.class_names, model.metadata)
    folder = shared / "coco" / "eval"
    dataset = dataset_from_coco(folder / "images", folder / "instances.json", limit=20)
    dataset = dataset.for_model(model.class_names, head.classes)
    store = Store(tmp_path / "store")
    images = EvaluationSet.of_dataset(dataset, height=640, width=640, store=store)
    (tmp_path / "engine").mkdir()
    kind.build(model.path, tmp_path / "engine", options)
    with kind.load(tmp_path / "engine", options) as engine:
        score = accuracy_of_engine(engine, images, head).score
        detections = [
            head.detections(engine.infer(tensor_from_pixels(images.pixels.pixels[i : i + 1])))[0].on_image(geometry)
            for i, geometry in enumerate(images.pixels.geometry)
        ]
    stats, _ = pycocotools_eval(Scene(dataset, detections))
    assert [score.value, *chain(*score.beside.values())] == [stats[i] for i in (0, 1, 3, 4, 5)]
    assert score.value > 0.25
