from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from qpareto.errors import DatasetError
from qpareto.objectives.accuracy.heads.plain_heads import Yolov8Head
from qpareto.objectives.accuracy.output_error import OutputError
from qpareto.objectives.quantization.calibrate import CalibrationFeeds, CalibrationSet, calibrated_model
from qpareto.objectives.quantization.sensitivity import SCORE_WEIGHT, Sensitivity, sensitivity_of_layers
from qpareto.objectives.store import Store
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.model import DetectorModel

CHOICE = CalibrationChoice("max", 4)
ERROR = OutputError(Yolov8Head(0, 20))
COUNT = 3


@pytest.fixture(scope="module")
def measured(network: DetectorModel, images: CalibrationSet, store: Store) -> Sensitivity:
    return sensitivity_of_layers(network, images, CHOICE, store, error=ERROR, count=COUNT)


def made_up(*, images: int = 4, scale: float = 1.0) -> Sensitivity:
    """Three layers whose errors are 1, 2 and 3 times one of noise."""
    noise = np.random.default_rng(0).uniform(0.01, 0.02, (images, 2)) * scale
    alone = np.stack([noise, 2 * noise, 3 * noise])
    return Sensitivity(
        layers=("a", "b", "c"),
        weights=np.full(images, scale),
        alone=alone,
        without=np.stack([5 * noise, 4 * noise, 3 * noise]),
        together=6 * noise,
    )


def test_errors_are_those_of_the_candidates_graphs(
    network: DetectorModel, images: CalibrationSet, store: Store, measured: Sensitivity
) -> None:
    calibrated = calibrated_model(network, images, CHOICE, store)
    feeds = CalibrationFeeds(np.load(images.pixels)[:COUNT], input_name="images", batch=1)

    def outputs(mask: LayerMask) -> list[Any]:
        graph = calibrated.with_mask(mask).model.SerializeToString()
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        return [session.run(None, feed) for feed in feeds]

    reference = outputs(LayerMask.none(calibrated.layers))

    def mean_error(mask: LayerMask) -> Any:
        sums = sum(ERROR(wanted, found)[0] for wanted, found in zip(reference, outputs(mask), strict=True))
        return sums[:2] / sums[2]

    everything = LayerMask.all(calibrated.layers)
    for i in (0, 3, 6):
        one = LayerMask.from_names(calibrated.layers, [calibrated.layers[i]])
        np.testing.assert_allclose(measured.one_at_a_time[i], mean_error(one), rtol=0.1)
        np.testing.assert_allclose(measured.one_out[i], mean_error(everything.without(one)), rtol=0.1)
    np.testing.assert_allclose(measured.all_int8, mean_error(everything), rtol=0.1)


def test_it_is_measured_once_for_the_same_content(
    network: DetectorModel, images: CalibrationSet, store: Store, measured: Sensitivity
) -> None:
    entries = sorted((store.root / "sensitivity").iterdir())
    again = sensitivity_of_layers(network, images, CHOICE, store, error=ERROR, count=COUNT)
    assert sorted((store.root / "sensitivity").iterdir()) == entries
    assert again.layers == measured.layers
    np.testing.assert_array_equal(again.alone, measured.alone)
    np.testing.assert_array_equal(again.relief, measured.relief)


def test_other_images_another_calibration_or_another_error_are_other_content(
    network: DetectorModel, images: CalibrationSet, store: Store, measured: Sensitivity
) -> None:
    entries = set((store.root / "sensitivity").iterdir())
    sensitivity_of_layers(network, images, CHOICE, store, error=ERROR, count=2)
    sensitivity_of_layers(network, images, CalibrationChoice("max", 2), store, error=ERROR, count=COUNT)
    sensitivity_of_layers(network, images, CHOICE, store, error=OutputError(Yolov8Head(0, None)), count=COUNT)
    assert len(set((store.root / "sensitivity").iterdir()) - entries) == 3


def test_more_images_than_there_are_is_told(network: DetectorModel, images: CalibrationSet, store: Store) -> None:
    with pytest.raises(DatasetError, match="Sensitivity on 7 images was asked for, but the calibration set has 6"):
        sensitivity_of_layers(network, images, CHOICE, store, error=ERROR, count=7)


def test_one_image_has_no_spread(network: DetectorModel, images: CalibrationSet, store: Store) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        sensitivity_of_layers(network, images, CHOICE, store, error=ERROR, count=1)


def test_it_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    made_up().save(tmp_path)
    back = Sensitivity.load(tmp_path)
    assert back.layers == ("a", "b", "c")
    assert back.by_layer() == made_up().by_layer()


def test_harm_is_the_box_error_squared_and_a_part_of_the_score_error_squared() -> None:
    found = made_up()
    box, score = found.one_at_a_time[1]
    assert found.harm[1] == pytest.approx(box**2 + SCORE_WEIGHT * score**2)
    assert found.harm[2] == pytest.approx(9 * found.harm[0])


def test_relief_is_what_leaving_a_layer_out_saves_against_leaving_out_another() -> None:
    found = made_up()
    unit = found.harm[0]
    np.testing.assert_allclose(found.relief, [(16 - 25) * unit, 0, (16 - 9) * unit], atol=1e-12)


def test_standard_errors_are_the_jackknifes() -> None:
    found = made_up()
    left = [
        (box**2 + SCORE_WEIGHT * score**2)
        for box, score in (np.delete(found.alone[0], i, axis=0).mean(axis=0) for i in range(4))
    ]
    assert found.harm_se[0] == pytest.approx(math.sqrt(3 / 4 * sum((x - np.mean(left)) ** 2 for x in left)))
    assert found.relief_se.shape == (3,)


def test_nothing_confident_is_no_error_and_no_nan() -> None:
    nothing = made_up(scale=0.0)
    assert all(math.isfinite(value) and value == 0 for row in nothing.by_layer().values() for value in row.values())


def test_one_confident_image_is_no_nan() -> None:
    found = made_up(images=2)
    some = Sensitivity(**(vars(found) | {"weights": np.array([1.0, 0.0])}))
    assert all(math.isfinite(value) for row in some.by_layer().values() for value in row.values())
