"""The proof is made by a real run, once, and fails a model that mixes its images whatever its shapes say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qpareto.errors import ModelError
from qpareto.objectives.quantization.batch_proof import (
    MOST_OFF,
    BatchProof,
    proof_of_outputs,
    prove_batch,
    refuse_batch,
)
from qpareto.objectives.quantization.calibrate import CalibrationSet
from qpareto.objectives.store import Store
from qpareto.spaces.model import DetectorModel, read_model


def test_a_models_images_stay_apart_and_that_is_proven_once(
    network: DetectorModel, images: CalibrationSet, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    proof = prove_batch(network, images.pixels, 4, store)
    assert proof.images == 4
    assert proof.off <= MOST_OFF
    made = dict(store.counts)
    assert prove_batch(network, images.pixels, 4, store) == proof
    assert store.counts["made"] == made["made"] == 1
    prove_batch(network, images.pixels, 2, store)
    assert store.counts["made"] == 2


def test_more_images_than_there_are_are_shifted_ones(
    network: DetectorModel, images: CalibrationSet, tmp_path: Path
) -> None:
    assert prove_batch(network, images.pixels, 9, Store(tmp_path)).images == 9


@pytest.mark.parametrize(
    ("op", "operands", "attributes"),
    [
        ("Softmax", [], {"axis": 0}),
        ("CumSum", ["first"], {}),
        ("Einsum", ["apart", "each"], {"equation": "bcd,ecd,af->ecd"}),  # a learned weight for a batch of 1
    ],
)
def test_what_mixes_images_without_its_shapes_saying_so_is_refused(
    network: DetectorModel,
    images: CalibrationSet,
    tmp_path: Path,
    op: str,
    operands: list[str],
    attributes: dict[str, Any],
) -> None:
    model = onnx.load(network.path)
    model.graph.initializer.append(numpy_helper.from_array(np.ones((1, 1), np.float32), "each"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int64), "first"))
    last = model.graph.node[-1]
    output, last.output[0] = last.output[0], "apart"
    model.graph.node.append(onnx.helper.make_node(op, ["apart", *operands], [output], name="mixing", **attributes))
    onnx.save(model, tmp_path / "mixing.onnx")
    mixing = read_model(tmp_path / "mixing.onnx")
    refuse_batch(mixing, 3)
    with pytest.raises(ModelError, match=r"engine\.batch=3, since \d+\.\d% of what it gives for an image is other in"):
        prove_batch(mixing, images.pixels, 3, Store(tmp_path))


def test_what_onnxruntime_cannot_run_at_that_batch_is_refused_with_its_reason(
    network: DetectorModel, images: CalibrationSet, tmp_path: Path
) -> None:
    """A normalization with weights for one image, whose sizes ONNX does not hold against each other."""
    model = onnx.load(network.path)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float32), "norm"))
    last = model.graph.node[-1]
    output, last.output[0] = last.output[0], "apart"
    there = onnx.helper.make_node("Transpose", ["apart"], ["turned"], name="there", perm=[1, 0, 2])
    norm = onnx.helper.make_node("BatchNormalization", ["turned", *["norm"] * 4], ["normed"], name="norm")
    back = onnx.helper.make_node("Transpose", ["normed"], [output], name="back", perm=[1, 0, 2])
    model.graph.node.extend([there, norm, back])
    onnx.save(model, tmp_path / "normed.onnx")
    with pytest.raises(ModelError, match=r"engine\.batch=2, since ONNX Runtime cannot run it \(.*norm.*\): set engine"):
        prove_batch(read_model(tmp_path / "normed.onnx"), images.pixels, 2, Store(tmp_path / "store"))


def test_a_graph_that_is_fixed_is_refused_before_anything_runs(network: DetectorModel, tmp_path: Path) -> None:
    model = onnx.load(network.path)
    last = model.graph.node[-1]
    output, last.output[0] = last.output[0], "apart"
    model.graph.node.append(onnx.helper.make_node("ReduceMax", ["apart"], [output], name="best", axes=[0]))
    onnx.save(model, tmp_path / "fixed.onnx")
    fixed = replace(network, path=tmp_path / "fixed.onnx")
    refuse_batch(fixed, 1)
    with pytest.raises(ModelError, match=r"engine\.batch=2, since its ReduceMax 'best' does not keep the images apart"):
        refuse_batch(fixed, 2)


OUTPUT = np.random.default_rng(0).random((4, 16, 100)).astype(np.float32)


def off(together: Any) -> float:
    return proof_of_outputs([OUTPUT], [together]).off


def test_the_share_that_is_off_is_that_of_the_worst_output() -> None:
    assert proof_of_outputs([OUTPUT], [OUTPUT]) == BatchProof(images=4, off=0.0, equal=True)
    one = OUTPUT.copy()
    one[0, 0] += 1  # 100 of 6,400
    assert proof_of_outputs([OUTPUT, OUTPUT], [OUTPUT, one]) == BatchProof(images=4, off=100 / 6400, equal=False)


def test_rounding_is_not_off_and_images_mixed_up_are() -> None:
    assert off(OUTPUT * np.float32(1 + 1e-5)) == 0
    assert off(OUTPUT[[1, 0, 2, 3]]) > 0.4
    assert off(np.repeat(OUTPUT[:1], 4, axis=0)) > 0.7
    boxes = OUTPUT.copy()
    boxes[:, :4] = boxes[::-1, :4]
    assert off(boxes) > 0.2


def test_nan_is_like_nan_only_and_another_shape_is_off_altogether() -> None:
    spoilt = OUTPUT.copy()
    spoilt[2] = np.nan
    assert off(spoilt) == 0.25
    assert proof_of_outputs([spoilt], [spoilt]) == BatchProof(images=4, off=0.0, equal=True)
    assert off(OUTPUT[:, :8]) == 1
