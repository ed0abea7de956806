"""Draws a data set for segmentation, pose or classification, as Ultralytics reads it, and the same as a COCO file.

    python benchmarks/tasks/draw.py segment build/segment --train 2000

Picture i of a split is the same however many are drawn. `calibration.txt` names the first 128 of `train`;
`instances_val.json` has the val pictures in COCO's format, with polygons or key points.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from scenes import FIGURES, MIRRORED, POINTS, SIZE, Seen, figures_picture, one_shape_picture, shapes_picture
from shapes import CLASSES

Array = NDArray[Any]
SEEDS = {"train": 21, "val": 22}  # no two share a picture
CALIBRATION = 128  # pictures
BOX_SHARE = 0.53  # of a box's area, which Ultralytics takes for a figure's own


def draw_scenes(pool: Executor, task: str, folder: Path, counts: dict[str, int]) -> None:
    """images/ and labels/ of each split, data.yaml, calibration.txt and instances_val.json."""
    for split, count in counts.items():
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
        drawn = list(pool.map(partial(_save_scene, task, folder, split), range(count), chunksize=16))
        if split == "val":
            (folder / "instances_val.json").write_text(json.dumps(coco_file(task, drawn)))
    data: dict[str, Any] = {"train": "images/train", "val": "images/val", "names": dict(enumerate(_names(task)))}
    if task == "pose":
        data |= {"kpt_shape": [len(POINTS), 3], "flip_idx": list(MIRRORED)}
    (folder / "data.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    listed = "".join(f"images/train/{i:06d}.jpg\n" for i in range(min(CALIBRATION, counts["train"])))
    (folder / "calibration.txt").write_text(listed)


def draw_classes(pool: Executor, folder: Path, counts: dict[str, int]) -> None:
    """train/<class>/ and val/<class>/, the classes in turns."""
    for split, count in counts.items():
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
        list(pool.map(partial(_save_one, folder, split), range(count), chunksize=16))


def _save_scene(task: str, folder: Path, split: str, index: int) -> list[Seen]:
    cv2.setNumThreads(1)  # the pool already keeps every core busy
    rng = np.random.default_rng([SEEDS[split], index])
    pixels, seen = (figures_picture if task == "pose" else shapes_picture)(rng)
    _write(folder / "images" / split / f"{index:06d}.jpg", pixels)
    (folder / "labels" / split / f"{index:06d}.txt").write_text("".join(map(yolo_label, seen)))
    return seen


def _save_one(folder: Path, split: str, index: int) -> None:
    label = index % len(CLASSES)
    pixels = one_shape_picture(np.random.default_rng([SEEDS[split], index]), label)
    _write(folder / split / CLASSES[label] / f"{index:06d}.jpg", pixels)


def _write(path: Path, pixels: Array) -> None:
    if not cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 95]):
        raise OSError(f"{path} could not be written")


def _names(task: str) -> Sequence[str]:
    return FIGURES if task == "pose" else CLASSES


def yolo_label(seen: Seen) -> str:
    """A line: class and one outline, or class, box and key points; as parts of the picture."""
    if seen.points is None:
        numbers = (joined(seen.outlines) / SIZE).ravel()
    else:
        left, top, width, height = seen.box
        box = np.array([(left + width / 2, top + height / 2), (width, height)]) / SIZE
        numbers = np.concatenate([box.ravel(), (seen.points / (*SIZE, 1)).ravel()])
    return " ".join([str(seen.label), *(f"{number:.5g}" for number in numbers)]) + "\n"


def joined(outlines: Sequence[Array]) -> Array:
    """One polygon of several, by bridges of no width between their nearest corners."""
    whole, *others = outlines
    for part in others:
        apart = np.linalg.norm(whole[:, None] - part[None], axis=2)
        i, j = np.unravel_index(np.argmin(apart), apart.shape)
        whole = np.concatenate([whole[: i + 1], part[j:], part[: j + 1], whole[i:]])
    return whole


def coco_file(task: str, drawn: Sequence[Sequence[Seen]]) -> dict[str, Any]:
    """What can be seen in the val pictures, in COCO's format."""
    width, height = SIZE
    skeleton = {"keypoints": list(POINTS), "skeleton": []} if task == "pose" else {}
    found = [(picture, seen) for picture, all_of_it in enumerate(drawn) for seen in all_of_it]
    return {
        "info": {"description": f"drawn pictures for {task}"},
        "images": [{"id": i, "file_name": f"{i:06d}.jpg", "width": width, "height": height} for i in range(len(drawn))],
        "categories": [{"id": i, "name": name, **skeleton} for i, name in enumerate(_names(task), start=1)],
        "annotations": [_annotation(n, picture, seen) for n, (picture, seen) in enumerate(found, start=1)],
    }


def _annotation(number: int, picture: int, seen: Seen) -> dict[str, Any]:
    own: dict[str, Any]
    if seen.points is None:
        area = float(sum(cv2.contourArea(outline.astype(np.float32)) for outline in seen.outlines))
        own = {"segmentation": [outline.ravel().tolist() for outline in seen.outlines], "area": area}
    else:
        points = np.round(seen.points, 2)
        own = {
            "keypoints": points.ravel().tolist(),
            "num_keypoints": int(np.count_nonzero(points[:, 2])),
            "area": BOX_SHARE * seen.box[2] * seen.box[3],
        }
    return {"id": number, "image_id": picture, "category_id": seen.label + 1, "bbox": seen.box, "iscrowd": 0, **own}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["segment", "pose", "classify"])
    parser.add_argument("folder", type=Path, help="a new one")
    parser.add_argument("--train", type=int, default=2000, help="pictures to train on (default: %(default)s)")
    parser.add_argument("--val", type=int, default=300, help="pictures to score on (default: %(default)s)")
    given = parser.parse_args()
    counts = {"train": given.train, "val": given.val}
    with ProcessPoolExecutor() as pool:
        if given.task == "classify":
            draw_classes(pool, given.folder, counts)
        else:
            draw_scenes(pool, given.task, given.folder, counts)


if __name__ == "__main__":
    main()
