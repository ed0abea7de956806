"""The outlines that the quickstart's pictures are made of: twelve classes of shapes, and clutter that is none.

Each is drawn around the origin, about two units across, its proportions varied a little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Polygons = Sequence[Array]  # each (n, 2), x to the right and y down; what an odd number of them covers is inside


def _star(corners: int, inner: float) -> Array:
    """Corners on a circle, every second one at `inner` of its radius; with 1, a regular polygon."""
    angle = np.arange(corners) * 2 * np.pi / corners
    radius = np.where(np.arange(corners) % 2, inner, 1.0)[:, None]
    return np.stack([np.sin(angle), -np.cos(angle)], axis=1) * radius


def _mirrored(right: Sequence[tuple[float, float]]) -> Array:
    """A polygon from its right half, listed from top to bottom."""
    half = np.array(right, float)
    return np.concatenate([half, half[::-1] * (-1, 1)])


def _band(x: Array, y: Array, half: float) -> Array:
    """A line through the points, as wide as twice `half` upwards."""
    return np.concatenate([np.stack([x, y - half], axis=1), np.stack([x, y + half], axis=1)[::-1]])


def _cross(rng: np.random.Generator) -> Polygons:
    arm = rng.uniform(0.2, 0.36)
    return [_mirrored([(arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm), (arm, 1)])]


def _arrow(rng: np.random.Generator) -> Polygons:
    shaft, neck = rng.uniform(0.15, 0.3), rng.uniform(-0.2, 0.2)
    return [_mirrored([(0, -1), (0.75, neck), (shaft, neck), (shaft, 1)])]


def _heart(rng: np.random.Generator) -> Polygons:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [np.stack([16 * np.sin(t) ** 3, -y - 2.5], axis=1) / 16]


def _crescent(rng: np.random.Generator) -> Polygons:
    t = np.linspace(-2.2, 2.2, 24)
    outer = np.stack([-np.cos(t), np.sin(t)], axis=1)
    return [np.concatenate([outer, outer[::-1] * (rng.uniform(0.15, 0.5), 1)])]


def _zigzag(rng: np.random.Generator) -> Polygons:
    return [_band(np.linspace(-1, 1, 5), np.array([-1, 1, -1, 1, -1]) * rng.uniform(0.3, 0.5), rng.uniform(0.14, 0.24))]


def _letter_h(rng: np.random.Generator) -> Polygons:
    inner, bar = 0.75 - rng.uniform(0.25, 0.45), rng.uniform(0.12, 0.22)
    return [_mirrored([(inner, -bar), (inner, -1), (0.75, -1), (0.75, 1), (inner, 1), (inner, bar)])]


def stroke(rng: np.random.Generator) -> Polygons:
    """Clutter: a thin crooked line."""
    half = rng.uniform(0.02, 0.06)
    return [_band(np.linspace(-1, 1, 6), np.cumsum(rng.normal(0, 0.2, 6)), half)]


def blot(rng: np.random.Generator) -> Polygons:
    """Clutter: a ragged patch of five to eleven corners."""
    corners = int(rng.integers(5, 12))
    return [_star(corners, 1) * rng.uniform(0.35, 1, (corners, 1))]


SHAPES: dict[str, Callable[[np.random.Generator], Polygons]] = {
    "circle": lambda rng: [_star(32, 1)],
    "ring": lambda rng: [_star(32, 1), _star(32, 1) * rng.uniform(0.45, 0.75)],
    "square": lambda rng: [_star(4, 1)],
    "triangle": lambda rng: [_star(3, 1)],
    "hexagon": lambda rng: [_star(6, 1)],
    "star": lambda rng: [_star(10, rng.uniform(0.38, 0.52))],
    "cross": _cross,
    "arrow": _arrow,
    "heart": _heart,
    "crescent": _crescent,
    "zigzag": _zigzag,
    "letter_h": _letter_h,
}
CLASSES = tuple(SHAPES)
