"""Pictures for three tasks, drawn from a seed as the quickstart's are: what can be seen in them is known exactly.

Shapes with their outlines, figures with five key points, and one shape in the middle of a small picture.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[2] / "studies" / "quickstart"))

from pictures import Scene, background, clutter, photographed, placed, random_paint
from shapes import CLASSES, SHAPES

Array = NDArray[Any]
Picture = NDArray[np.uint8]  # (height, width, 3), BGR

SIZE = (320, 240)  # width and height of a picture for segmentation or pose
CROP = (96, 80)  # of one for classification
FINE = 4  # an outline is followed on a grid so many times finer than the pixels
FIGURES = ("walker", "starfish")
POINTS = ("head", "left_hand", "right_hand", "left_foot", "right_foot")
MIRRORED = (0, 2, 1, 4, 3)  # the point that each becomes in a mirror
ANGLES = np.radians([0.0, 88.0, -88.0, 157.0, -157.0])  # of POINTS, from upwards to the right: a figure faces us
AROUND = (0, 1, 3, 4, 2)  # of POINTS, clockwise


@dataclass(frozen=True)
class Seen:
    """One object that can be seen in a picture; all in its pixels."""

    label: int
    box: tuple[int, int, int, int]  # left, top, width, height, around what is visible
    outlines: tuple[Array, ...] = ()  # (n, 2) each, of the parts that are visible; holes are filled
    points: Array | None = None  # (5, 3): x, y and 2 seen, 1 covered, 0 outside of the picture (x and y are 0 then)


def shapes_picture(rng: np.random.Generator) -> tuple[Picture, list[Seen]]:
    """Three to eight shapes, 30 to 150 pixels across, among clutter; each with its outlines."""
    scene = _cluttered(rng, SIZE[0], 5)
    for _ in range(rng.integers(3, 9)):
        label = int(rng.integers(len(CLASSES)))
        radius = 15 * 5 ** rng.random()
        scene.stamp(placed(rng, SHAPES[CLASSES[label]](rng), radius, SIZE[0]), random_paint(rng), label)
    pixels = _finished(rng, scene, SIZE)
    seen = [Seen(scene.drawn[i][0], _box(mask), _outlines(mask)) for i, mask in scene.visible()]
    return pixels, [one for one in seen if one.outlines]


def figures_picture(rng: np.random.Generator) -> tuple[Picture, list[Seen]]:
    """One to five figures, 50 to 180 pixels tall, among clutter that hides some of their key points."""
    scene, points = _cluttered(rng, SIZE[0], 5), []
    for _ in range(rng.integers(1, 6)):
        label = int(rng.integers(len(FIGURES)))
        outline, tips = _figure(rng, thin=label == 0)
        scene.stamp([outline], random_paint(rng), label)
        points.append(tips)
    pixels = _finished(rng, scene, SIZE)
    return pixels, [
        Seen(scene.drawn[i][0], _box(mask), points=_with_visibility(points[i] - _margin(SIZE), mask))
        for i, mask in scene.visible()
    ]


def one_shape_picture(rng: np.random.Generator, label: int) -> Picture:
    """A shape of the class, 36 to 68 pixels across, about the middle and at least 0.4 of it uncovered."""
    while True:
        scene = _cluttered(rng, CROP[0], 3)
        (outline, *hole), radius = SHAPES[CLASSES[label]](rng), 18 * 1.9 ** rng.random()
        at_random = placed(rng, [outline, *hole], radius, CROP[0])
        shift = CROP[0] / 2 + rng.uniform(-10, 10, 2) - np.mean(at_random[0], axis=0)
        scene.stamp([polygon + shift for polygon in at_random], random_paint(rng), label)
        pixels = _finished(rng, scene, CROP)
        if list(scene.visible()):
            return pixels


def _cluttered(rng: np.random.Generator, size: int, most: int) -> Scene:
    scene = Scene(background(rng, size))
    for _ in range(rng.integers(1, most + 1)):
        scene.stamp(clutter(rng, size), random_paint(rng))
    return scene


def _finished(rng: np.random.Generator, scene: Scene, size: tuple[int, int]) -> Picture:
    """With clutter in front, as a poor camera sees it, cut to a width and height; the scene is cut likewise."""
    for _ in range(rng.integers(0, 4)):
        scene.stamp(clutter(rng, size[0]), random_paint(rng))
    top = int(_margin(size)[1])
    pixels = photographed(rng, scene.pixels)[top : top + size[1]]
    scene.owner = scene.owner[top : top + size[1]]
    return pixels


def _margin(size: tuple[int, int]) -> Array:
    """What is cut off at the left and at the top of a square scene."""
    return np.array([0, (size[0] - size[1]) // 2])


def _figure(rng: np.random.Generator, *, thin: bool) -> tuple[Array, Array]:
    """An outline (10, 2) and its key points (5, 2), upright within 40 degrees, set down somewhere."""
    angles = ANGLES + np.radians(rng.uniform(-1, 1, 5) * (8, 25, 25, 11, 11))
    lengths = rng.uniform((0.75, 0.7, 0.7, 0.85, 0.85), (0.95, 1.0, 1.0, 1.1, 1.1))
    waist = rng.uniform(0.2, 0.3) if thin else rng.uniform(0.42, 0.52)
    around = angles[list(AROUND)]
    between = (around + np.append(around[1:], around[0])) / 2
    between[2] = np.pi + (around[2] + around[3]) / 2  # the feet are on two sides of where angles begin anew
    outline = np.empty((10, 2))
    outline[::2] = _on_circle(around) * lengths[list(AROUND), None]
    outline[1::2] = _on_circle(between) * waist
    tips = _on_circle(angles) * (lengths * 0.9)[:, None]
    lean, radius = np.radians(rng.uniform(-40, 40)), 25 * 3.6 ** rng.random()
    turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]]) * (radius, radius)
    middle = rng.uniform((20, 60), (SIZE[0] - 20, SIZE[0] - 60))
    return outline @ turn.T + middle, tips @ turn.T + middle


def _on_circle(angle: Array) -> Array:
    return np.stack([np.sin(angle), -np.cos(angle)], axis=1)


def _box(mask: Array) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    return left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top


def _outlines(mask: Array) -> tuple[Array, ...]:
    """Polygons around the parts of a mask, an eighth of a pixel inside its border; parts under 8 pixels are left out.

    So far inside, they fill the same pixels whether corners are cut to whole numbers (Ultralytics) or not (COCO).
    """
    fine = cv2.resize(mask.astype(np.uint8), None, fx=FINE, fy=FINE, interpolation=cv2.INTER_NEAREST)
    found, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    parts = [cv2.approxPolyDP(part, FINE / 2, closed=True) for part in found if cv2.contourArea(part) >= 8 * FINE**2]
    return tuple((part[:, 0] + 0.5) / FINE for part in parts if len(part) >= 3)


def _with_visibility(points: Array, mask: Array) -> Array:
    found = np.zeros((len(points), 3))
    for i, (x, y) in enumerate(points):
        if 0 <= x < mask.shape[1] and 0 <= y < mask.shape[0]:
            found[i] = x, y, 2 if mask[int(y), int(x)] else 1
    return found
