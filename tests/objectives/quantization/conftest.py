from __future__ import annotations

import numpy as np
import pytest

from networks import SIZE, small_network
from qpareto.objectives.quantization.calibrate import CalibrationSet
from qpareto.objectives.store import Store
from qpareto.spaces.model import DetectorModel, read_model


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> DetectorModel:
    return read_model(small_network(tmp_path_factory.mktemp("network") / "m.onnx"))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> CalibrationSet:
    pixels = tmp_path_factory.mktemp("images") / "pixels.npy"
    np.save(pixels, np.random.default_rng(0).integers(0, 256, (6, SIZE, SIZE, 3), dtype=np.uint8))
    return CalibrationSet(pixels=pixels, hashes=tuple(f"image{i}" for i in range(6)))
