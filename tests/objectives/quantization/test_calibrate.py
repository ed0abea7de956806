"""ModelOpt's own `quantize` is the independent answer: same graph, same scales, to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from modelopts_own import own_graph
from qpareto.errors import DatasetError, QuantizationError
from qpareto.objectives.isolation.child import BugInChildError, run_in_child
from qpareto.objectives.quantization.calibrate import (
    CalibrationFeeds,
    CalibrationSet,
    _calibrate,
    calibrated_model,
    structure_of_model,
    write_calibration_cache,
)
from qpareto.objectives.quantization.graph import graph_hash
from qpareto.objectives.store import Store
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import DetectorModel, read_model


def scales(model: Any) -> dict[str, bytes]:
    return {w.name: numpy_helper.to_array(w).tobytes() for w in model.graph.initializer if w.name.endswith("_scale")}


@pytest.mark.parametrize("method", ["max", "entropy"])
def test_scales_and_full_graph_equal_modelopts_own(
    method: str, network: DetectorModel, images: CalibrationSet, store: Store, tmp_path: Path
) -> None:
    choice = CalibrationChoice(method, 4)
    ours = calibrated_model(network, images, choice, store)
    own = own_graph(network, images, choice, tmp_path)
    full = ours.with_mask(LayerMask.all(ours.layers))
    assert scales(full.model) == scales(own)
    assert full.graph_hash == graph_hash(own)


def test_the_exporters_metadata_comes_along(network: DetectorModel, images: CalibrationSet, store: Store) -> None:
    named = replace(network, content_hash="named", metadata={"names": "{0: 'cat'}", "stride": "32"})
    model = calibrated_model(named, images, CalibrationChoice("max", 1), store)
    masked = model.with_mask(LayerMask.none(model.layers)).model
    assert {entry.key: entry.value for entry in masked.metadata_props} == named.metadata


def test_a_choice_is_calibrated_once(network: DetectorModel, images: CalibrationSet, store: Store) -> None:
    choice = CalibrationChoice("max", 2)
    first = calibrated_model(network, images, choice, store)
    made = sorted((store.root / "calibrated").iterdir())
    assert calibrated_model(network, images, choice, store) is first
    assert sorted((store.root / "calibrated").iterdir()) == made
    assert not list((store.root / "calibrated").rglob("scratch"))


def test_more_images_than_there_are_is_refused(network: DetectorModel, images: CalibrationSet, store: Store) -> None:
    with pytest.raises(DatasetError, match="A calibration of 7 images was asked for"):
        calibrated_model(network, images, CalibrationChoice("max", 7), store)


@pytest.mark.parametrize("method", ["percentile", "mse"])
def test_own_ranges_lie_within_those_of_max_and_change_no_weight_scale(
    method: str, network: DetectorModel, images: CalibrationSet, store: Store
) -> None:
    largest = calibrated_model(network, images, CalibrationChoice("max", 4), store)
    own = calibrated_model(network, images, CalibrationChoice(method, 4), store)
    assert own.layers == largest.layers
    activations = 0
    limits = {w.name: w for w in largest.graph.model.graph.initializer}
    for weight in own.graph.model.graph.initializer:
        if weight.name.endswith("_scale"):
            value, limit = numpy_helper.to_array(weight), numpy_helper.to_array(limits[weight.name])
            assert (value <= limit * (1 + 1e-3)).all()
            if ".weight" in weight.name:
                assert (value == limit).all()
            activations += bool((value < limit).any())
    assert activations > 0


def test_the_cache_holds_scales_as_big_endian_float32(tmp_path: Path) -> None:
    write_calibration_cache(tmp_path / "cache", {"images": 1.0, "/a/Mul_output_0": 12.7})
    assert (tmp_path / "cache").read_text().splitlines()[1:] == ["images: 3c010204", "/a/Mul_output_0: 3dcccccd"]


def test_the_structure_needs_no_images(network: DetectorModel, store: Store) -> None:
    assert len(structure_of_model(network, store).layers) == 7


def test_a_bug_of_ours_fails_no_candidate_but_ends_the_run(
    network: DetectorModel, images: CalibrationSet, tmp_path: Path
) -> None:
    no_choice = SimpleNamespace(size=1)
    with pytest.raises(BugInChildError, match="has no attribute 'method'"):
        run_in_child(_calibrate, network, images.pixels, no_choice, tmp_path, timeout_s=60, log_path=tmp_path / "log")


def test_what_modelopt_cannot_take_fails_the_candidate_with_its_log(
    network: DetectorModel, images: CalibrationSet, tmp_path: Path
) -> None:
    model = onnx.load(network.path)
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "bad.onnx")
    bad = replace(network, path=tmp_path / "bad.onnx", content_hash="bad")
    with pytest.raises(QuantizationError, match="could not calibrate") as caught:
        calibrated_model(bad, images, CalibrationChoice("max", 2), Store(tmp_path / "store"))
    assert caught.value.log_path is not None
    assert caught.value.log_path.is_file()
    assert not list((tmp_path / "store" / "calibrated").iterdir())


def test_no_tensorrt_parses_the_model_whatever_its_version(
    network: DetectorModel, images: CalibrationSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ModelOpt would have one that is installed parse it, to look for plugins; 8.x refuses how it does that."""
    (tmp_path / "tensorrt.py").write_text("")  # whatever it is asked for is an error
    monkeypatch.syspath_prepend(tmp_path)
    arguments = network, images.pixels, CalibrationChoice("max", 2), tmp_path
    run_in_child(_calibrate, *arguments, timeout_s=120, log_path=tmp_path / "log")  # a process that has loaded nothing
    assert (tmp_path / "calibrated.onnx").is_file()


def test_feeds_come_in_batches_and_fill_the_last_with_its_last_image() -> None:
    pixels = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((1, 2, 2, 3), np.uint8)
    feeds = CalibrationFeeds(pixels, input_name="images", batch=2)
    found = [feed["images"][:, 0, 0, 0] * 255 for feed in feeds]
    assert [row.round().tolist() for row in found] == [[0, 1], [2, 3], [4, 4]]
    feeds.get_next()
    assert feeds.get_first()["images"].shape == (2, 3, 2, 2)
    feeds.rewind()
    assert sum(1 for _ in iter(feeds.get_next, None)) == 3


def test_yolo11n_gets_modelopts_own_scales(shared: Path, store: Store, tmp_path: Path) -> None:
    model = read_model(shared / "models" / "yolo11n.onnx")
    pixels = tmp_path / "pixels.npy"
    np.save(pixels, np.random.default_rng(1).integers(0, 256, (1, 640, 640, 3), dtype=np.uint8))
    images = CalibrationSet(pixels=pixels, hashes=("noise",))
    ours = calibrated_model(model, images, CalibrationChoice("max", 1), store)
    own = own_graph(model, images, CalibrationChoice("max", 1), tmp_path)
    full = ours.with_mask(LayerMask.all(ours.layers))
    assert len(ours.layers) == 90
    assert (scales(full.model), full.graph_hash) == (scales(own), graph_hash(own))
