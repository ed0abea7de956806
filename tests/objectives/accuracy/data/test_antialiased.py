from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from qpareto.objectives.accuracy.data.antialiased import center_crop
from qpareto.objectives.accuracy.data.images import letterbox
from qpareto.objectives.tensors import tensor_from_pixels
from qpareto.spaces.preprocessing import Preprocessing

pytest.importorskip("ultralytics", reason="needs Ultralytics: pip install 'qpareto[yolo]'")

from PIL import Image
from ultralytics.data.augment import classify_transforms

Pixels = NDArray[np.uint8]
CROPPED = Preprocessing(fit="crop")


def image(height: int, width: int, seed: int = 0) -> Pixels:
    """Noise, the hardest: no pixel is like its neighbour. BGR."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def ultralytics_tensor(picture: Pixels, size: int | tuple[int, int]) -> NDArray[np.float32]:
    """What Ultralytics' validation gives a classifier for a BGR image."""
    tensor: NDArray[np.float32] = classify_transforms(size=size)(Image.fromarray(picture[:, :, ::-1])).numpy()
    return tensor


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(480, 640, 224), (224, 224, 224), (375, 500, 224), (100, 130, 224), (31, 57, 64), (500, 333, 96), (64, 200, 64)],
)
def test_a_cropped_image_is_what_ultralytics_validation_gives_the_model_to_the_bit(
    height: int, width: int, size: int
) -> None:
    picture, _, _ = letterbox(image(height, width), size, size, CROPPED)
    ours = tensor_from_pixels(picture[None], CROPPED)[0]
    assert ours.tolist() == ultralytics_tensor(image(height, width), size).tolist()


def test_of_a_tall_image_no_pixel_is_more_than_one_grey_level_off() -> None:
    picture, _, _ = letterbox(image(900, 200), 64, 64, CROPPED)
    apart = tensor_from_pixels(picture[None], CROPPED)[0] - ultralytics_tensor(image(900, 200), 64)
    assert np.abs(apart).max() < 1.01 / 255


def test_another_rectangle_than_a_square_is_stretched_to() -> None:
    picture, scale, pad = letterbox(image(200, 320), 96, 160, CROPPED)
    assert (scale, pad) == (0.5, (0, 0))
    ours = tensor_from_pixels(picture[None], CROPPED)[0]
    assert ours.tolist() == ultralytics_tensor(image(200, 320), (96, 160)).tolist()


def test_the_middle_is_cut_out() -> None:
    striped = np.repeat(np.arange(8, dtype=np.uint8)[None, :, None], 4, axis=0).repeat(3, axis=2)
    cut, (left, top) = center_crop(striped, 4, 4)
    assert (left, top) == (2, 0)
    assert cut[0, :, 0].tolist() == [2, 3, 4, 5]
