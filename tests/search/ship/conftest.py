"""The quickstart's detector, all layers in INT8, exported once from its study for all tests of shipping."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import qpareto
from qpareto.search.ship.manifest import Manifest, read_manifest


@pytest.fixture(scope="session")
def exported(shapes_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as `qpareto export` leaves it; only to be read."""
    folder = tmp_path_factory.mktemp("exported") / "best"
    outcome = qpareto("export", shapes_study, "-o", folder, "--trial", "1")
    assert (outcome.code, outcome.out) == (0, f"{folder}\n"), outcome
    return folder


@pytest.fixture(scope="session")
def manifest(exported: Path) -> Manifest:
    return read_manifest(exported)
