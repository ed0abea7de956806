"""The quickstart's pictures: shapes among clutter, drawn from a seed, with exact boxes.

Picture i of a seed has a random generator of its own: it is the same however many are drawn, and by whom.

    python studies/quickstart/pictures.py --out studies/quickstart/data            # what the study reads
    python studies/quickstart/pictures.py --yolo build/pictures --count 10000      # what the model was trained on

A larger picture (`--size 640`) holds as many more objects as it is wider, and larger ones beside the small ones.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shapes import CLASSES, SHAPES, Array, Polygons, blot, stroke

SIZE = 320  # pixels, both ways, unless another size is asked for
SEEDS = {"train": 1, "val": 2, "eval": 3, "confirm": 4, "calib": 5}  # no two share a picture
STUDY_COUNTS = {"eval": 200, "confirm": 200, "calib": 128}  # pictures of what the study reads
SUPERSAMPLING = 4  # coverage is counted on a grid so many times finer than the pixels
MIN_VISIBLE = 0.4  # of an object's own area; less, and it bears no box


@dataclass(frozen=True)
class Thing:
    """One object that can be seen: its class, the box around its visible pixels, and how many they are."""

    label: int
    box: tuple[int, int, int, int]  # left, top, width, height; whole pixels, inside the picture
    area: int


class Scene:
    """A picture in the making, and which object each of its pixels shows."""

    def __init__(self, pixels: Array) -> None:
        self.pixels = pixels.astype(np.float32)  # (size, size, 3), 0..255, BGR
        self.owner = np.full(pixels.shape[:2], -1, np.int16)  # index of the object on top; -1: none
        self.drawn: list[tuple[int, int]] = []  # each object's label and area, seen or not

    def stamp(self, polygons: Polygons, paint: Callable[[int, int], Array], label: int | None = None) -> None:
        """Draw over what is there.

        Args:
            polygons: in pixels of the picture; they may reach outside.
            paint: (height, width) to (height, width, 3) colours.
            label: the object's class; None for clutter, which bears no box but hides what it covers.
        """
        left, top = np.floor(np.min(np.concatenate(polygons), axis=0)).astype(int)
        cover = _coverage([p - (left, top) for p in polygons])
        height, width = cover.shape
        rows = slice(*np.clip((top, top + height), 0, len(self.pixels)))
        columns = slice(*np.clip((left, left + width), 0, len(self.pixels)))
        inside = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        alpha = cover[inside][..., None]
        under = self.pixels[rows, columns]
        self.pixels[rows, columns] = under + alpha * (paint(height, width)[inside] - under)
        self.owner[rows, columns][cover[inside] >= 0.5] = -1 if label is None else len(self.drawn)
        if label is not None:
            self.drawn.append((label, int(np.count_nonzero(cover >= 0.5))))

    def visible(self) -> Iterator[tuple[int, Array]]:
        """The objects of which enough can be seen, in the order drawn: their index, and which pixels show them."""
        for index, (_, area) in enumerate(self.drawn):
            mask = self.owner == index
            if np.count_nonzero(mask) >= max(MIN_VISIBLE * area, 24):
                yield index, mask

    def things(self) -> list[Thing]:
        """What bears a box."""
        found = []
        for index, mask in self.visible():
            rows, columns = np.nonzero(mask)
            left, top = int(columns.min()), int(rows.min())
            box = (left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
            found.append(Thing(self.drawn[index][0], box, rows.size))
        return found


def draw_picture(seed: int, index: int, size: int = SIZE) -> tuple[NDArray[np.uint8], list[Thing]]:
    """Picture `index` of a seed: (size, size, 3) BGR pixels, and what can be seen in it.

    Pictures of two sizes have nothing in common but their manner.
    """
    rng = np.random.default_rng([seed, index])
    scale = size / SIZE
    scene = Scene(background(rng, size))
    for _ in range(rng.integers(round(3 * scale), round(10 * scale))):
        scene.stamp(clutter(rng, size), random_paint(rng))
    for _ in range(rng.integers(round(4 * scale), round(19 * scale))):
        label = int(rng.integers(len(CLASSES)))
        diameter = 18 * (8 * scale) ** (rng.random() ** 1.2)  # 18 px to 0.45 of the picture, small ones more often
        scene.stamp(placed(rng, SHAPES[CLASSES[label]](rng), diameter / 2, size), random_paint(rng), label)
    for _ in range(rng.integers(0, round(5 * scale))):
        scene.stamp(clutter(rng, size), random_paint(rng))
    return photographed(rng, scene.pixels), scene.things()


def placed(rng: np.random.Generator, polygons: Polygons, radius: float, size: int) -> Polygons:
    """Turned, squeezed along any axis to as little as 0.6, scaled, and set down with its middle in the picture."""

    def turn() -> Array:
        a = rng.uniform(0, 2 * np.pi)
        return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])

    matrix = turn() @ np.diag([radius, radius * rng.uniform(0.6, 1)]) @ turn()
    middle = rng.uniform(0, size, 2)
    return [p @ matrix.T + middle for p in polygons]


def clutter(rng: np.random.Generator, size: int) -> Polygons:
    """What is no class, set down somewhere."""
    if rng.random() < 0.6:
        return placed(rng, stroke(rng), rng.uniform(20, 0.375 * size), size)
    return placed(rng, blot(rng), rng.uniform(5, 0.15625 * size), size)


def _coverage(polygons: Polygons) -> Array:
    """How much of each pixel lies inside, 0..1, on the smallest grid from (0, 0) that holds the polygons."""
    width, height = np.ceil(np.max(np.concatenate(polygons), axis=0)).astype(int) + 1
    fine = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)
    corners = [np.round(p * SUPERSAMPLING * 16 - 8).astype(np.int32) for p in polygons]  # 4 fractional bits
    cv2.fillPoly(fine, corners, 255, shift=4)
    cover: Array = cv2.resize(fine, (int(width), int(height)), interpolation=cv2.INTER_AREA)
    return cover.astype(np.float32) / 255


def random_paint(rng: np.random.Generator) -> Callable[[int, int], Array]:
    """A colour that runs into another, often with stripes or grain over it."""
    colours, angle = rng.uniform(0, 255, (2, 3)), rng.uniform(0, 2 * np.pi)
    colours[1] = colours[0] + (colours[1] - colours[0]) * rng.uniform(0, 0.6)
    texture, strength = rng.choice(["plain", "stripes", "grain"]), rng.uniform(10, 45)
    pitch = rng.uniform(3, 14)

    def paint(height: int, width: int) -> Array:
        along = np.cos(angle) * np.arange(width)[None, :] + np.sin(angle) * np.arange(height)[:, None]
        share = (along - along.min()) / max(float(np.ptp(along)), 1.0)
        pixels: Array = colours[0] + share[..., None] * (colours[1] - colours[0])
        if texture == "stripes":
            pixels += strength * np.sin(along / pitch * 2 * np.pi)[..., None]
        elif texture == "grain":
            pixels += rng.normal(0, strength / 2, (height, width, 1))
        return np.clip(pixels, 0, 255)

    return paint


def background(rng: np.random.Generator, size: int) -> Array:
    """A paint of the whole picture under clouds of three sizes."""
    pixels = random_paint(rng)(size, size)
    for cells in (round(n * size / SIZE) for n in (4, 12, 40)):
        clouds = rng.normal(0, rng.uniform(2, 22), (cells, cells, 3)).astype(np.float32)
        pixels += cv2.resize(clouds, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(pixels, 0, 255)


def photographed(rng: np.random.Generator, pixels: Array) -> NDArray[np.uint8]:
    """As a poor camera sees it: uneven light, brightness and contrast, blur, noise."""
    light = cv2.resize(rng.uniform(0.6, 1.25, (2, 2)).astype(np.float32), pixels.shape[:2])
    pixels = (pixels * light[..., None] - 128) * rng.uniform(0.5, 1.15) + rng.uniform(85, 165)
    if rng.random() < 0.7:
        pixels = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.7))
    noisy: Array = pixels + rng.uniform(2, 22) * rng.standard_normal(pixels.shape, np.float32)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def _file_name(index: int) -> str:
    return f"{index:06d}.jpg"


def _save_picture(seed: int, size: int, folder: Path, index: int) -> list[Thing]:
    """One picture into a folder; what can be seen in it."""
    cv2.setNumThreads(1)  # the pool already keeps every core busy
    pixels, things = draw_picture(seed, index, size)
    if not cv2.imwrite(str(folder / _file_name(index)), pixels, [cv2.IMWRITE_JPEG_QUALITY, 95]):
        raise OSError(f"{folder / _file_name(index)} could not be written")
    return things


def save_pictures(pool: Executor, folder: Path, split: str, count: int, *, size: int = SIZE) -> list[list[Thing]]:
    """The first pictures of a split as JPEG files in a new folder; what can be seen in each."""
    folder.mkdir(parents=True)
    return list(pool.map(partial(_save_picture, SEEDS[split], size, folder), range(count), chunksize=8))


def coco_instances(pictures: Sequence[Sequence[Thing]], size: int = SIZE) -> dict[str, Any]:
    """The boxes as COCO's instances.json has them."""
    things = [(picture, thing) for picture, seen in enumerate(pictures) for thing in seen]
    return {
        "info": {"description": "qpareto quickstart shapes"},
        "images": [{"id": i, "file_name": _file_name(i), "width": size, "height": size} for i in range(len(pictures))],
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)],
        "annotations": [
            {"id": n, "image_id": i, "category_id": t.label + 1, "bbox": t.box, "area": t.area, "iscrowd": 0}
            for n, (i, t) in enumerate(things, start=1)
        ],
    }


def yolo_labels(things: Sequence[Thing], size: int = SIZE) -> str:
    """The boxes of one picture as Ultralytics reads them: class, middle and size, as parts of the picture."""
    return "".join(
        f"{t.label} {(left + width / 2) / size} {(top + height / 2) / size} {width / size} {height / size}\n"
        for t in things
        for left, top, width, height in [t.box]
    )


def draw_study_data(folder: Path, counts: Mapping[str, int] = STUDY_COUNTS, *, size: int = SIZE) -> None:
    """A folder for each split in `counts`, with images/ and instances.json.

    Complete or absent; kept, whatever it holds, if it is there.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with ProcessPoolExecutor() as pool:
            for split, count in counts.items():
                pictures = save_pictures(pool, aside / split / "images", split, count, size=size)
                (aside / split / "instances.json").write_text(json.dumps(coco_instances(pictures, size)))
        aside.chmod(0o755)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def draw_training_set(folder: Path, counts: Mapping[str, int], *, size: int = SIZE) -> Path:
    """images/ and labels/ of train, val and eval, so many as `counts` says; the path of data.yaml."""
    with ProcessPoolExecutor() as pool:
        for split, count in counts.items():
            (folder / "labels" / split).mkdir(parents=True)
            drawn = save_pictures(pool, folder / "images" / split, split, count, size=size)
            for index, things in enumerate(drawn):
                (folder / "labels" / split / f"{index:06d}.txt").write_text(yolo_labels(things, size))
    names = "".join(f"  {i}: {name}\n" for i, name in enumerate(CLASSES))
    data = folder / "data.yaml"
    data.write_text(f"train: images/train\nval: images/val\ntest: images/eval\nnames:\n{names}")
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="DIR", help="draw the study's data, unless DIR is there already")
    what.add_argument("--yolo", type=Path, metavar="DIR", help="draw a training set for Ultralytics into a new DIR")
    parser.add_argument("--size", type=int, default=SIZE, help="pixels, both ways (default: %(default)s)")
    parser.add_argument("--count", type=int, default=10000, help="training pictures (default: %(default)s)")
    for split, count in STUDY_COUNTS.items():
        parser.add_argument(f"--{split}", type=int, default=count, help=f"{split} pictures (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.out:
        counts = {split: getattr(arguments, split) for split in STUDY_COUNTS}
        draw_study_data(arguments.out, counts, size=arguments.size)
    else:
        counts = {"train": arguments.count, "val": 400, "eval": arguments.eval}
        draw_training_set(arguments.yolo, counts, size=arguments.size)


if __name__ == "__main__":
    main()
