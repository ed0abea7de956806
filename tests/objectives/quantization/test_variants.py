from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from qpareto.objectives.accuracy.data.images import letterboxed_images
from qpareto.objectives.quantization import variants
from qpareto.objectives.quantization.apply_mask import CalibratedModel
from qpareto.objectives.quantization.calibrate import CalibrationFeeds, CalibrationSet, calibrated_model
from qpareto.objectives.quantization.variants import Outputs, judge_variants, outputs_of_graph
from qpareto.objectives.store import Store
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import DetectorModel, read_model


@pytest.fixture
def calibrated(network: DetectorModel, images: CalibrationSet, store: Store) -> CalibratedModel:
    return calibrated_model(network, images, CalibrationChoice("max", 4), store)


@pytest.fixture
def feeds(images: CalibrationSet) -> CalibrationFeeds:
    return CalibrationFeeds(np.load(images.pixels)[:3], input_name="images", batch=1)


def plainly(model: Any, feeds: CalibrationFeeds) -> list[Any]:
    """By ONNX Runtime alone, its own INT8 kernels included."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [session.run(None, feed)[0] for feed in feeds]


def first_output(feed: int, outputs: Outputs) -> Any:
    return outputs[0]


@pytest.mark.parametrize("everything", [False, True])
def test_every_variant_gives_what_its_whole_graph_gives(
    calibrated: CalibratedModel, feeds: CalibrationFeeds, everything: bool
) -> None:
    names = calibrated.layers
    single = [LayerMask.from_names(names, [name]) for name in names]
    base = LayerMask.all(names) if everything else LayerMask.none(names)
    masks = [base.without(one) for one in single] if everything else single
    models = [calibrated.with_mask(mask).model for mask in masks]
    found = list(judge_variants(calibrated.with_mask(base).model, models, feeds, first_output))
    reference = plainly(calibrated.with_mask(LayerMask.none(names)).model, feeds)
    assert len(found) == len(models)
    for outputs, model in zip(found, models, strict=True):
        for got, wanted, floats in zip(outputs, plainly(model, feeds), reference, strict=True):
            # Equal but for roundings that fall the other way, which are few beside what INT8 does.
            assert np.abs(got - wanted).mean() <= 0.1 * np.abs(wanted - floats).mean()


def test_what_lies_before_the_first_difference_is_not_in_a_variants_own_graph(calibrated: CalibratedModel) -> None:
    names = calibrated.layers
    base = calibrated.with_mask(LayerMask.none(names)).model
    own = [variants._suffix(base, calibrated.with_mask(LayerMask.from_names(names, [name])).model) for name in names]
    layers = [[node.name for node in graph.graph.node if node.op_type == "Conv"] for graph in own]
    assert [held[0] for held in layers] == list(names)
    assert layers[-1] == [names[-1]]


def test_variants_are_taken_a_few_at_a_time_and_told_in_their_order(
    calibrated: CalibratedModel, feeds: CalibrationFeeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = calibrated.layers
    base = calibrated.with_mask(LayerMask.none(names)).model
    models = [calibrated.with_mask(LayerMask.from_names(names, [name])).model for name in names]
    together = list(judge_variants(base, models, feeds, first_output))
    monkeypatch.setattr(variants, "TOGETHER", 2)
    few = list(judge_variants(base, iter(models), feeds, first_output))
    np.testing.assert_array_equal(np.array(few), np.array(together))


def test_the_judge_is_told_which_feed_it_sees(calibrated: CalibratedModel, feeds: CalibrationFeeds) -> None:
    names = calibrated.layers
    base = calibrated.with_mask(LayerMask.none(names)).model
    model = calibrated.with_mask(LayerMask.all(names)).model
    assert list(judge_variants(base, [model], feeds, lambda feed, outputs: feed)) == [[0, 1, 2]]


def test_one_graph_gives_what_onnx_runtime_gives(calibrated: CalibratedModel, feeds: CalibrationFeeds) -> None:
    model = calibrated.with_mask(LayerMask.none(calibrated.layers)).model
    for (got,), wanted in zip(outputs_of_graph(model, feeds), plainly(model, feeds), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_yolo11n_layers_give_what_their_whole_graphs_give(shared: Path, tmp_path: Path) -> None:
    model, store = read_model(shared / "models/yolo11n.onnx"), Store(tmp_path)
    pictures = sorted((shared / "coco/calib/images").iterdir())[:1]
    pixels = letterboxed_images(pictures, height=640, width=640, store=store)
    images = CalibrationSet(pixels=pixels.path, hashes=("one",))
    calibrated = calibrated_model(model, images, CalibrationChoice("max", 1), store)
    feeds = CalibrationFeeds(pixels.pixels, input_name="images", batch=1)
    nothing = LayerMask.none(calibrated.layers)
    base = calibrated.with_mask(nothing).model
    masks = [LayerMask.from_names(calibrated.layers, calibrated.layers[i : i + 1]) for i in (0, 41, 86, 89)]
    models = [calibrated.with_mask(mask).model for mask in masks]
    (floats,) = plainly(base, feeds)
    for (got,), model_of_mask in zip(judge_variants(base, models, feeds, first_output), models, strict=True):
        (wanted,) = plainly(model_of_mask, feeds)
        for rows in (np.s_[:, :4], np.s_[:, 4:]):  # boxes in pixels, scores in 0..1
            error = np.abs(wanted[rows] - floats[rows]).mean()
            assert np.abs(got[rows] - wanted[rows]).mean() <= 0.2 * error + 1e-6
