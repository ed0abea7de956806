from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qpareto.objectives.accuracy.data.images import Geometry, letterbox
from qpareto.objectives.accuracy.heads.shapes import KeyPoints, Masks, Prototypes

STRIDE = 4.0


def prototypes_of(rng: np.random.Generator, *, count: int, height: int = 20, width: int = 24) -> Prototypes:
    """Of a model that takes 80 x 96 pixels."""
    grid = rng.normal(size=(6, height, width)).astype(np.float32)
    return Prototypes(rng.normal(size=(count, 6)).astype(np.float32), grid, (STRIDE, STRIDE))


def geometry_of(width: int, height: int) -> Geometry:
    _, scale, (left, top) = letterbox(np.zeros((height, width, 3), np.uint8), 80, 96)
    return Geometry(scale, left, top, width, height)


def whole_masks(found: Masks, width: int, height: int) -> NDArray[np.bool_]:
    whole = np.zeros((len(found.parts), height, width), np.bool_)
    for mask, (left, top), part in zip(whole, found.corners, found.parts, strict=True):
        mask[top : top + part.shape[0], left : left + part.shape[1]] = part
    return whole


@given(st.integers(0, 2**32 - 1), st.sampled_from([(96, 80), (200, 120), (50, 90), (31, 17)]))
def test_masks_are_the_interpolated_sums_within_the_box(seed: int, size: tuple[int, int]) -> None:
    from scipy.ndimage import map_coordinates

    rng, (width, height) = np.random.default_rng(seed), size
    shape, geometry = prototypes_of(rng, count=3), geometry_of(width, height)
    corner = rng.uniform(0, 60, (3, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(1, 40, (3, 2))], axis=1).astype(np.float32)
    found = whole_masks(shape.on_image(geometry, boxes), width, height)

    y, x = np.mgrid[:height, :width]
    rows = ((y + 0.5) * geometry.scale + geometry.pad_y) / STRIDE - 0.5
    columns = ((x + 0.5) * geometry.scale + geometry.pad_x) / STRIDE - 0.5
    pad = np.array([geometry.pad_x, geometry.pad_y] * 2)
    for mask, coefficients, box in zip(found, shape.coefficients, boxes, strict=True):
        total = np.tensordot(coefficients, shape.prototypes, axes=1)
        sums = map_coordinates(total, [rows, columns], order=1, mode="nearest")
        left, top, right, bottom = (box - pad) / geometry.scale
        inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        sure = np.abs(sums) > 1e-4
        assert np.array_equal(mask[sure], (inside & (sums > 0))[sure])


def test_a_mask_is_as_large_as_its_pixels_and_shares_those_with_another() -> None:
    part = np.array([[True, True, False], [False, True, False]])
    masks = Masks(np.array([[2, 1]]), (part,))
    other = np.zeros((5, 6), np.bool_)
    other[:, 3:] = True
    assert masks.areas.tolist() == [3.0]
    assert masks.shared(0, other) == 2
    assert masks.on_image(geometry_of(96, 80), np.zeros((1, 4))) is masks
    assert masks.of_rows(np.array([0, 0])).areas.tolist() == [3.0, 3.0]


def test_a_box_outside_of_the_image_has_an_empty_mask() -> None:
    shape = prototypes_of(np.random.default_rng(0), count=1)
    found = shape.on_image(geometry_of(96, 48), np.array([[10, 0, 30, 10]], np.float32))  # in the padding
    assert found.areas.tolist() == [0.0]


def test_masks_are_apart_by_what_they_do_not_share() -> None:
    grid = np.ones((1, 20, 24), np.float32)
    shape = Prototypes(np.ones((3, 1), np.float32), grid, (STRIDE, STRIDE))
    boxes = np.array([[0, 0, 40, 40], [0, 0, 40, 40], [0, 0, 40, 40]], np.float32)
    others = np.array([[0, 0, 40, 40], [20, 0, 60, 40], [40, 40, 80, 80]], np.float32)
    assert shape.apart(shape, boxes, others).tolist() == pytest.approx([0.0, 2 / 3, 1.0])
    nothing = Prototypes(-np.ones((3, 1), np.float32), grid, (STRIDE, STRIDE))
    assert nothing.apart(nothing, boxes, others).tolist() == [0.0, 0.0, 0.0]


def test_masks_that_are_drawn_are_not_compared_again() -> None:
    masks = Masks(np.zeros((0, 2), np.intp), ())
    with pytest.raises(NotImplementedError):
        masks.apart(masks, np.zeros((0, 4)), np.zeros((0, 4)))


def test_key_points_go_to_the_images_pixels_and_stay_on_it() -> None:
    geometry = geometry_of(192, 96)  # scaled by a half, 16 pixels of padding above and below
    points = KeyPoints(np.array([[[10, 26, 0.9], [96, 80, 0.1]]], np.float32))
    assert points.on_image(geometry, np.zeros((1, 4))).points.tolist() == [
        [[20, 20, pytest.approx(0.9)], [192, 96, pytest.approx(0.1)]]
    ]


def test_key_points_are_apart_by_their_distance_to_the_size_of_the_box() -> None:
    one = KeyPoints(np.array([[[0, 0], [10, 0]], [[5, 5], [5, 5]]], np.float32))
    other = KeyPoints(np.array([[[0, 4], [10, 0]], [[500, 5], [np.nan, 5]]], np.float32))
    boxes = np.array([[0, 0, 20, 5], [0, 0, 10, 10]], np.float32)
    assert one.apart(other, boxes, boxes).tolist() == pytest.approx([0.2, 1.0])
