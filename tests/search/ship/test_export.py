"""An export from a real study: its figures are the same wherever they are told, and say where they are from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from command_line import qpareto
from qpareto.objectives.measurement import Measurement
from qpareto.search.api import join_study, results
from qpareto.search.ship.manifest import read_manifest
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec


@pytest.fixture
def searched(study_file: Path, other_images: list[str]) -> tuple[Path, list[str], StudySpec]:
    """A study with images to confirm on that has not been confirmed: file, overrides, and both as a spec."""
    spec = load_study_file(study_file, other_images)
    assert all(point.confirmed is None for point in join_study(spec, trials=2).points)
    return study_file, [word for override in other_images for word in ("--set", override)], spec


def test_what_is_exported_is_confirmed_first_and_every_place_says_the_same_figures(
    searched: tuple[Path, list[str], StudySpec], tmp_path: Path
) -> None:
    path, overrides, spec = searched
    outcome = qpareto("export", path, *overrides, "-o", tmp_path / "best", "--max-map-drop", "0.9", "--json")
    assert outcome.code == 0, outcome
    told = json.loads(outcome.out)
    words = told["figures"]["words"]
    assert told["figures"]["accuracy_from"] == "confirmed on 3 other images"
    assert told["figures"]["latency_from"] == "measured anew at export"
    manifest, readme = read_manifest(tmp_path / "best"), (tmp_path / "best" / "README.md").read_text()
    assert manifest.figures is not None
    assert manifest.figures.words == words
    assert manifest.chosen == told["chosen"]
    assert words in manifest.chosen
    assert f"- **{words}**" in readme
    assert "which the above replace: mAP50-95" in readme
    assert manifest.measurement.accuracy.images == 6, "verified on the images that the manifest names"
    winner = next(point for point in results(spec).points if point.trial == told["trial"])
    assert str(winner.figures) == words
    assert isinstance(winner.confirmed, Measurement)
    assert winner.as_json()["figures"]["latency_ratio"] == told["figures"]["latency_ratio"] == told["latency_ratio"]
    qpareto("report", path, *overrides, "-o", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    untold = winner.title == "0" or winner.decisive.timing.ratio.high >= 1  # sentences are of what is surely faster
    assert f"takes {told['latency_ratio']:.3f} " in page or untold
    row = next(row for row in page.split("<tr>") if row.startswith(f"<td>{winner.title}</td>"))
    assert re.search(rf">{told['latency_ratio']:.3f}[ *<]", row), "also where it turns out slower than it was searched"


def test_exporting_again_measures_anew_and_the_last_engine_counts(
    searched: tuple[Path, list[str], StudySpec], tmp_path: Path
) -> None:
    path, overrides, spec = searched
    for name in ("one", "two"):
        outcome = qpareto("export", path, *overrides, "-o", tmp_path / name, "--trial", "0")
        assert outcome.code == 0, outcome
    one, other = (read_manifest(tmp_path / name).measurement for name in ("one", "two"))
    assert one.timing.median_ms != other.timing.median_ms
    assert next(point for point in results(spec).points if point.trial == 0).fresh == other
