"""Somebody's data: pictures in folders, labelled as COCO or for Ultralytics; and a cache of the tests' own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

Draw = Callable[..., list[Path]]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Draws so many pictures of noise into a folder below tmp_path, all different ones."""

    def drawn(folder: str, count: int) -> list[Path]:
        paths = [tmp_path / folder / f"{folder.replace('/', '-')}-{i:02}.png" for i in range(count)]
        paths[0].parent.mkdir(parents=True)
        rng = np.random.default_rng(len(folder))
        for path in paths:
            cv2.imwrite(str(path), rng.integers(0, 255, (32, 48, 3), dtype=np.uint8))
        return paths

    return drawn


@pytest.fixture
def label(tmp_path: Path) -> Callable[[list[Path]], Path]:
    """Writes a COCO file for pictures, a box each."""

    def written(images: list[Path]) -> Path:
        sizes = {"width": 48, "height": 32}
        coco = {
            "images": [{"id": i, "file_name": path.name, **sizes} for i, path in enumerate(images)],
            "categories": [{"id": 1, "name": "noise"}],
            "annotations": [{"image_id": i, "category_id": 1, "bbox": [4, 4, 9, 9]} for i in range(len(images))],
        }
        (tmp_path / "instances.json").write_text(json.dumps(coco))
        return tmp_path / "instances.json"

    return written


@pytest.fixture
def cache_at_home(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache that no study file names is the one that tests with the quickstart's model share."""
    (shapes / "cache").mkdir(exist_ok=True)
    (tmp_path / "home" / ".cache").mkdir(parents=True)
    (tmp_path / "home" / ".cache" / "qpareto").symlink_to(shapes / "cache")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
