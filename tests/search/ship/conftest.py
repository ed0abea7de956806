"""The quickstart's detector, all layers in INT8, exported once from a real study for all tests of shipping."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import qpareto
from qpareto.search.ship.manifest import Manifest, read_manifest
from shapes_study import shapes_study as study_of_shapes


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
    assert qpareto("run", path).code == 0  # float, and ModelOpt's max
    return path


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
