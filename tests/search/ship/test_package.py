"""The folder that is handed over, written from a real measurement on the small study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from made_up_trials import measured
from qpareto.errors import StudyError
from qpareto.objectives.measurement import Measurement
from qpareto.objectives.score import Scorer
from qpareto.objectives.store import file_hash
from qpareto.search.run.prepare import scorer_of_spec
from qpareto.search.ship.package import Package, write_package
from qpareto.search.study_file import load_study_file
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask

SENTENCE = "Trial 7: the knee of the front."


@pytest.fixture
def scorer(study_file: Path) -> Scorer:
    return scorer_of_spec(load_study_file(study_file))


@pytest.fixture
def package(scorer: Scorer, tmp_path: Path) -> Package:
    everything = LayerMask.all([layer.name for layer in scorer.layers])
    return Package(
        folder=tmp_path / "new" / "best", scorer=scorer, candidate=Candidate(CalibrationChoice("max", 2), everything)
    )


def measurement_of(package: Package, **changes: str | Mapping[str, str]) -> Measurement:
    """As measured here and now: what cannot vary is real, what is not looked at is made up."""
    quantized = package.scorer.quantize(package.candidate)
    real: dict[str, str | Mapping[str, str]] = {
        "graph_hash": quantized.graph_hash,
        "versions": {**package.scorer.kind.versions(), "modelopt": "some"},
    }
    return measured(0.38, 0.6, **real | changes)


def test_a_package_holds_the_engine_its_onnx_and_every_figure_and_hash(package: Package) -> None:
    measurement = measurement_of(package)
    write_package(package, measurement, sentence=SENTENCE)
    folder = package.folder
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["format"], manifest["chosen"]) == (1, SENTENCE)
    assert Measurement.from_json(manifest["measurement"]) == measurement
    written = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert {"quantized.onnx", "engine/engine.xml", "engine/engine.bin", "README.md"} <= written.keys()
    assert manifest["files"] == {name: file_hash(path) for name, path in written.items() if name != "manifest.json"}
    graph = onnx.load(folder / "quantized.onnx").graph
    assert sum(node.op_type == "QuantizeLinear" for node in graph.node) >= 2 * 7
    assert [entry.name for entry in folder.parent.iterdir()] == ["best"]


def test_the_readme_says_what_was_chosen_why_and_how_it_was_measured(package: Package) -> None:
    write_package(package, measurement_of(package), sentence=SENTENCE)
    text = (package.folder / "README.md").read_text()
    for said in (SENTENCE, "mAP50-95 0.3800 (-0.0200), 12.000 ms", "0.590 to 0.620", "A CPU [of ours]", "max:64"):
        assert said in text


def test_a_folder_that_is_there_is_refused_at_birth(package: Package, tmp_path: Path) -> None:
    for there in (tmp_path, tmp_path / "study.yaml"):
        with pytest.raises(StudyError, match="is there already"):
            replace(package, folder=there)


@pytest.mark.parametrize("changes", [{"graph_hash": "other"}, {"versions": {"openvino": "2020.1"}}])
def test_what_is_not_the_engine_that_was_measured_is_not_written(
    package: Package, changes: dict[str, str | Mapping[str, str]]
) -> None:
    with pytest.raises(StudyError, match="would not be the engine that was measured"):
        write_package(package, measurement_of(package, **changes), sentence=SENTENCE)
    assert not package.folder.parent.exists()
