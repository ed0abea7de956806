"""Small folders of real image files, COCO files and YOLO labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

WriteImage = Callable[..., Path]
WriteJson = Callable[..., Path]


@pytest.fixture
def write_image(tmp_path: Path) -> WriteImage:
    """`write_image("images/a.png", width=.., height=..)`: an image of its own colours, by name."""

    def write(name: str, *, width: int = 40, height: int = 30) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(sum(name.encode())).integers(0, 256, (height, width, 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), pixels)
        return path

    return write


@pytest.fixture
def coco(write_image: WriteImage) -> dict[str, Any]:
    """A valid COCO file's content; its three images lie in `images/`. Change it, then write it."""
    for name in ("a.png", "b.png", "c.jpg"):
        write_image(f"images/{name}")
    return {
        "images": [
            {"id": 3, "file_name": "c.jpg", "width": 40, "height": 30},
            {"id": 1, "file_name": "a.png", "width": 40, "height": 30},
            {"id": 2, "file_name": "b.png"},
        ],
        "categories": [{"id": 20, "name": "dog"}, {"id": 10, "name": "cat"}],
        "annotations": [
            {"id": 0, "image_id": 1, "category_id": 20, "bbox": [1, 2, 10, 20], "area": 150.5, "iscrowd": 0},
            {"id": 0, "image_id": 3, "category_id": 10, "bbox": [0, 0, 5, 4], "segmentation": [[0, 0, 5, 4, 5, 0]]},
        ],
    }


@pytest.fixture
def write_json(tmp_path: Path) -> WriteJson:
    def write(content: object, name: str = "instances.json") -> Path:
        (tmp_path / name).write_text(json.dumps(content))
        return tmp_path / name

    return write
