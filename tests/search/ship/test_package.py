"""The folder that is handed over, written from a real measurement on the small study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import jsonschema
import onnx
import pytest

from kernels import kernels_of_shared_dir
from made_up_trials import changed, measured
from no_images import never
from qpareto.errors import StudyError
from qpareto.objectives.accuracy.data.dataset import Dataset
from qpareto.objectives.accuracy.tasks import Task
from qpareto.objectives.engines.openvino.kind import OpenVinoKind
from qpareto.objectives.measurement import Measurement
from qpareto.objectives.quantization.apply_mask import float_graph
from qpareto.objectives.score import Scorer
from qpareto.objectives.store import Store
from qpareto.search.run.prepare import dataset_of_spec, scorer_of_spec
from qpareto.search.ship.facts import DataFacts
from qpareto.search.ship.layouts import Layout
from qpareto.search.ship.manifest import Manifest, read_manifest, sha256_of
from qpareto.search.ship.package import Package, Story, write_package
from qpareto.search.ship.recheck import CheckedPackage
from qpareto.search.ship.verify import verify_package
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask

SENTENCE = "Trial 7: the knee of the front."
STORY = Story(chosen=SENTENCE, afresh=True)


@pytest.fixture
def spec(study_file: Path) -> StudySpec:
    return load_study_file(study_file)


@pytest.fixture
def scorer(spec: StudySpec) -> Scorer:
    return scorer_of_spec(spec)


@pytest.fixture
def package(scorer: Scorer, spec: StudySpec, tmp_path: Path) -> Package:
    everything = LayerMask.all([layer.name for layer in scorer.layers])
    return Package(
        folder=tmp_path / "new" / "best",
        scorer=scorer,
        candidate=Candidate(CalibrationChoice("max", 2), everything),
        data=spec.data,
        layout="raw",
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
    searched = changed(measurement, map50_95=0.4)
    manifest = write_package(package, measurement, replace(STORY, searched=searched))
    folder = package.folder
    assert read_manifest(folder) == manifest
    assert (manifest.format, manifest.chosen, manifest.layout, manifest.afresh) == (2, SENTENCE, "raw", True)
    assert (manifest.measurement, manifest.searched, manifest.confirmed) == (measurement, searched, None)
    written = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert {"quantized.onnx", "engine/engine.xml", "engine/engine.bin", "README.md"} <= written.keys()
    assert manifest.files == {name: sha256_of(path) for name, path in written.items() if name != "manifest.json"}
    graph = onnx.load(folder / "quantized.onnx").graph
    assert sum(node.op_type == "QuantizeLinear" for node in graph.node) >= 2 * 7
    assert [entry.name for entry in folder.parent.iterdir()] == ["best"]


def test_a_manifest_tells_what_it_takes_to_repeat_the_measurement(package: Package, spec: StudySpec) -> None:
    found = write_package(package, measurement_of(package), STORY)
    scorer = package.scorer
    assert (found.model.hash, found.model.file) == (scorer.model.content_hash, "model.onnx")
    assert (len(found.mask.int8_layers), found.mask.float_layers) == (7, ())
    assert found.calibration is not None
    assert (found.calibration.method, found.calibration.size) == ("max", 2)
    assert found.calibration.image_hashes == scorer.calibration.hashes[:2]
    assert (found.data.hash, found.data.images_seen) == (scorer.images.dataset.content_hash, 6)
    assert (found.data.images, found.data.annotations) == (spec.data.images, spec.data.annotations)
    assert found.engine.options.shared_dir is None
    assert float_graph(package.folder / "quantized.onnx").graph_hash == found.engine.reference_graph_hash
    assert {"openvino", "python", "system", "onnxruntime-gpu", "pycocotools"} <= found.versions.keys()
    assert "sqlite" not in (package.folder / "manifest.json").read_text(), "a storage's address may hold a password"


@pytest.mark.parametrize("layout", ["raw", "ultralytics", "triton"])
def test_a_package_says_and_verifies_the_engines_batch(
    study_file: Path, tmp_path: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qpareto.search.ship.layouts.why_not_ultralytics", lambda *_: None)
    spec = load_study_file(study_file, ["engine.batch=2"])
    scorer = scorer_of_spec(spec)
    everything = LayerMask.all([layer.name for layer in scorer.layers])
    choice = CalibrationChoice("max", 2, bias_correction=layout == "raw")
    candidate, folder = Candidate(choice, everything), tmp_path / "best"
    package = Package(folder=folder, scorer=scorer, candidate=candidate, data=spec.data, layout=layout)
    manifest = write_package(package, changed(measurement_of(package), batch=2), STORY)
    assert (manifest.engine.options.batch, manifest.model.input_shape[0]) == (2, 1)
    assert manifest.calibration is not None
    assert manifest.calibration.bias_correction == choice.bias_correction
    (port,) = onnx.load(folder / "quantized.onnx").graph.input
    assert [dim.dim_value for dim in port.type.tensor_type.shape.dim] == [2, 3, 64, 64]
    assert float_graph(folder / "quantized.onnx").graph_hash == manifest.engine.reference_graph_hash
    readme = (folder / "README.md").read_text()
    said = {
        "raw": (readme, "input `images` is [2, 3, 64, 64]"),
        "triton": ((folder / "triton/best/config.pbtxt").read_text() if layout == "triton" else "", "2, 3, 64, 64"),
        "ultralytics": (
            (folder / "best_openvino_model/metadata.yaml").read_text() if layout == "ultralytics" else "",
            "batch: 2\n",
        ),
    }
    text, words = said[layout]
    assert words in text
    assert "batch 2" in readme

    def found(facts: DataFacts, store: Store, limit: int | None, task: Task) -> Dataset:
        return dataset_of_spec(spec.data, store, task=task)

    checks = list(verify_package(folder, found, quick=True))
    assert [(check.name, check.outcome) for check in checks] == [
        (name, "passed") for name in ("manifest", "files", "parity")
    ]


def test_scales_of_another_calibration_have_another_hash(package: Package, tmp_path: Path) -> None:
    hashes = []
    for size in (2, 4):
        candidate = replace(package.candidate, calibration=CalibrationChoice("max", size))
        other = replace(package, folder=tmp_path / str(size), candidate=candidate)
        calibration = write_package(other, measurement_of(other), STORY).calibration
        assert calibration is not None
        hashes.append(calibration.scales_hash)
    assert hashes[0] != hashes[1]


def test_a_float_engine_is_its_own_reference(package: Package) -> None:
    nothing = LayerMask.none(package.candidate.mask.layers)
    package = replace(package, candidate=replace(package.candidate, mask=nothing))
    found = write_package(package, measurement_of(package), STORY)
    assert found.calibration is None
    assert found.engine.reference_graph_hash == found.measurement.engine.graph_hash
    assert float_graph(package.folder / "quantized.onnx").graph_hash == found.engine.reference_graph_hash


def test_a_manifest_is_valid_by_its_json_schema(package: Package) -> None:
    write_package(package, measurement_of(package), STORY)
    schema = Manifest.model_json_schema(mode="serialization")
    jsonschema.validate(json.loads((package.folder / "manifest.json").read_text()), schema)


def test_a_timing_cache_goes_along_for_a_reference_of_the_same_kernels(
    package: Package, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(OpenVinoKind, "timing_cache", kernels_of_shared_dir)  # it keeps none of its own
    kernels = kernels_of_shared_dir(package.scorer.kind, package.scorer.options)
    kernels.parent.mkdir(parents=True, exist_ok=True)
    kernels.write_bytes(b"what kernels took")
    manifest = write_package(package, measurement_of(package), STORY)
    assert manifest.files["timing.cache"] == sha256_of(kernels)
    assert "`timing.cache`" in (package.folder / "README.md").read_text()
    built = CheckedPackage(folder=package.folder, manifest=manifest, scratch=tmp_path, find_images=never)._reference
    assert built.options.shared_dir is not None
    assert (built.options.shared_dir / "kernels").read_bytes() == b"what kernels took"


def test_an_engine_that_was_built_without_a_timing_cache_brings_none(package: Package) -> None:
    manifest = write_package(package, measurement_of(package), STORY)
    assert manifest.engine.timing_cache is None
    assert "timing.cache" not in manifest.files


def test_the_readme_says_what_was_chosen_why_and_how_it_was_measured(package: Package) -> None:
    write_package(package, measurement_of(package), STORY)
    text = (package.folder / "README.md").read_text()
    for said in (SENTENCE, "mAP50-95 0.3800 (-0.0200), 12.000 ms", "0.590 to 0.620", "A CPU [of ours]", "max:64"):
        assert said in text
    assert "Not measured anew" not in text


def test_the_readme_says_that_nothing_was_measured_anew_and_what_was_confirmed(package: Package) -> None:
    measurement = measurement_of(package)
    story = replace(
        STORY, afresh=False, searched=measurement, confirmed=changed(measurement, map50_95=0.377, images=99)
    )
    write_package(package, measurement, story)
    text = (package.folder / "README.md").read_text()
    assert "**Not measured anew**" in text
    assert "mAP50-95 0.3770 (-0.0200), 12.000 ms (0.600 of the reference) when it was confirmed on 99 images" in text


def test_a_folder_that_is_there_is_refused_at_birth(package: Package, tmp_path: Path) -> None:
    for there in (tmp_path, tmp_path / "study.yaml"):
        with pytest.raises(StudyError, match="is there already"):
            replace(package, folder=there)


@pytest.mark.parametrize("changes", [{"graph_hash": "other"}, {"versions": {"openvino": "2020.1"}}])
def test_what_is_not_the_engine_that_was_measured_is_not_written(
    package: Package, changes: dict[str, str | Mapping[str, str]]
) -> None:
    with pytest.raises(StudyError, match="would not be the engine that was measured"):
        write_package(package, measurement_of(package, **changes), STORY)
    assert not package.folder.parent.exists()
