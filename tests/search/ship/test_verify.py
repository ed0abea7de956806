"""A folder that was exported, verified where its study is not; and each way in which it can fail, by its sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from command_line import qpareto
from lock_turns import is_free
from no_images import never
from qpareto.errors import DatasetError, VerificationError
from qpareto.objectives.accuracy.data.dataset import Dataset
from qpareto.objectives.accuracy.data.reading import dataset_from_coco
from qpareto.objectives.accuracy.scored import ScoredBoxes
from qpareto.objectives.accuracy.tasks import Task
from qpareto.objectives.engines.build import engine_from_onnx
from qpareto.objectives.engines.openvino.kind import OpenVinoKind
from qpareto.objectives.engines.ref import EngineRef
from qpareto.objectives.isolation.lock import kernel_lock
from qpareto.objectives.store import Store
from qpareto.search.api import verify_folder
from qpareto.search.ship import recheck
from qpareto.search.ship.facts import DataFacts
from qpareto.search.ship.manifest import Manifest, _seal, read_manifest
from qpareto.search.ship.verify import Check, verify_package
from qpareto.search.study_file.spec import EvaluationSpec

FILES = [
    "README.md",
    "best_openvino_model/engine.bin",
    "best_openvino_model/engine.xml",
    "best_openvino_model/metadata.yaml",
    "changed.jpg",
    "quantized.onnx",
]


def last_check(folder: Path, *, quick: bool = False) -> Check:
    """The one that failed, before anything was loaded."""
    *passed, failed = verify_package(folder, never, quick=quick)
    assert {check.outcome for check in passed} <= {"passed"}
    assert failed.outcome == "failed"
    return failed


def build_that_times_kernels(*arguments: Any) -> EngineRef:
    """As TensorRT builds: it takes its turn at the kernels, which nobody may hold around it."""
    assert is_free(kernel_lock(OpenVinoKind().device_id()))
    return engine_from_onnx(*arguments)


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def sealed_anew(folder: Path, change: Callable[[Manifest], dict[str, Any]]) -> None:
    """What somebody does who knows how: another manifest, sealed."""
    found = read_manifest(folder)
    found.model_copy(update=change(found)).sealed().save(folder)


@pytest.mark.parametrize(
    ("measurement", "said"), [({"map50": 2.0}, "map50 must lie in 0..1"), ({"format": 1}, "it is no measurement: ")]
)
def test_what_is_sealed_but_no_measurement_is_told_in_a_sentence(
    copy: Path, measurement: dict[str, Any], said: str
) -> None:
    document = json.loads((copy / "manifest.json").read_text())
    document["measurement"] = (document["measurement"] if "map50" in measurement else {}) | measurement
    (copy / "manifest.json").write_text(json.dumps(document | {"seal": _seal(document)}))
    with pytest.raises(VerificationError, match=f"is sealed but holds what it may not .measurement: .*{said}"):
        read_manifest(copy)


def test_the_files_are_those_that_the_tests_spoil(exported: Path) -> None:
    found = sorted(path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file())
    assert found == sorted([*FILES, "manifest.json"])


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_in_any_file_is_found_before_anything_is_loaded(copy: Path, name: str, quick: bool) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    failed = last_check(copy, quick=quick)
    assert failed.name == "files"
    assert failed.detail.startswith(f"{name} is not what was exported: its bytes changed.")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert last_check(copy).detail.startswith(f"{name} is missing:")


def test_a_file_that_nobody_vouches_for_is_named(copy: Path) -> None:
    (copy / "best_openvino_model" / "another.xml").write_text("<net/>")
    assert last_check(copy).detail.startswith("best_openvino_model/another.xml is not in the manifest:")


def test_a_flipped_bit_in_the_manifest_is_found(copy: Path) -> None:
    text = (copy / "manifest.json").read_text()
    (copy / "manifest.json").write_text(text.replace('"threads": 2', '"threads": 3', 1))
    assert "manifest.json is not what was written: it was edited or damaged." in last_check(copy).detail


def test_a_manifest_edited_by_hand_is_found(copy: Path) -> None:
    document = json.loads((copy / "manifest.json").read_text())
    document["measurement"]["map50_95"] += 0.01
    (copy / "manifest.json").write_text(json.dumps(document, indent=2))
    failed = last_check(copy)
    assert failed.name == "manifest"
    assert "it was edited or damaged" in failed.detail


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"format": 99}', "is of format 99, but this qpareto reads format 2: install a newer qpareto"),
        ('{"format": 1}', "is of format 1, which held too little to verify: export the engine again"),
        ('{"format": "two"}', "is no manifest of qpareto's"),
        ("[]", "is no manifest of qpareto's"),
        ("{", "is not readable JSON"),
    ],
)
def test_a_manifest_of_another_format_is_told_by_its_format(copy: Path, content: str, said: str) -> None:
    (copy / "manifest.json").write_text(content)
    assert said in last_check(copy).detail


def test_a_folder_without_a_manifest_is_none_of_ours(tmp_path: Path) -> None:
    assert "name a folder that `qpareto export` wrote" in last_check(tmp_path).detail


def test_a_path_that_leads_out_of_the_folder_is_refused(copy: Path) -> None:
    sealed_anew(copy, lambda found: {"files": {**found.files, "../outside": "0" * 64}})
    assert "'../outside' leads out of the folder" in last_check(copy).detail


def test_an_engine_that_the_manifest_has_no_hash_of_is_refused(copy: Path) -> None:
    name = "best_openvino_model/engine.bin"
    (copy / name).unlink()
    sealed_anew(copy, lambda found: {"files": {key: value for key, value in found.files.items() if key != name}})
    assert f"has no hash of {name}" in last_check(copy).detail


def test_another_device_is_told_by_name(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenVinoKind, "device_name", lambda _: "Another CPU")
    failed = last_check(exported)
    assert failed.name == "device"
    assert "but this is Another CPU: neither latency nor engine carry over" in failed.detail


def test_another_version_is_told_by_name(exported: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenVinoKind, "versions", lambda _: {"openvino": "2031.1"})
    failed = last_check(exported)
    assert failed.name == "versions"
    assert f"was measured with openvino {manifest.versions['openvino']}, but here is 2031.1" in failed.detail


def test_engines_that_this_qpareto_builds_otherwise_are_told(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenVinoKind, "recipe", 1000)
    assert "verify with that version" in last_check(exported).detail


@pytest.mark.parametrize("arguments", [(), ("--quick",)])
def test_verify_passes_on_a_fresh_export_wherever_its_images_lie(
    exported: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(recheck, "HALF_WIDTHS", 20.0)  # the machine of the tests is not quiet
    monkeypatch.setattr(OpenVinoKind, "chooses_kernels", True)
    monkeypatch.setattr(OpenVinoKind, "times_kernels_alone", lambda _: True)
    monkeypatch.setattr(recheck, "engine_from_onnx", build_that_times_kernels)
    moved = tmp_path / "elsewhere"
    shutil.copytree(shapes / "eval", moved)
    named = ("--images", moved / "images", "--annotations", moved / "instances.json")
    outcome = qpareto("verify", exported, *named, *arguments, "--json")
    assert outcome.code == 0, outcome
    checks = {check["name"]: check["detail"] for check in json.loads(outcome.out)}
    quick = ["manifest", "files", "parity"]
    assert list(checks) == (
        quick if arguments else ["manifest", "files", "device", "versions", "parity", "accuracy", "latency"]
    )
    assert checks["files"] == f"{len(FILES)} files are what was exported"
    assert checks["parity"].startswith("on 8 images boxes are off by 0.0")


def test_what_scores_otherwise_than_the_manifest_says_fails_by_how_much(copy: Path, manifest: Manifest) -> None:
    then = manifest.measurement
    assert isinstance(then.accuracy, ScoredBoxes)
    boasts = replace(then, accuracy=replace(then.accuracy, map50_95=then.accuracy.value + 0.05))
    assert manifest.figures is not None
    faster = manifest.figures.model_copy(update={"latency_ratio": 0.01, "latency_ratio_ci": (0.009, 0.011)})
    sealed_anew(copy, lambda _: {"measurement": boasts, "figures": faster})
    *passed, accuracy, latency = verify_folder(copy)  # its images lie where they lay
    assert {check.outcome for check in passed} == {"passed"}
    assert (accuracy.outcome, latency.outcome) == ("failed", "failed")
    assert (
        f"mAP50-95 {then.accuracy.value:.4f} on 40 images, {boasts.accuracy.value:.4f} in the manifest"
        in accuracy.detail
    )
    assert "the difference of -0.0500 is beyond 0.001" in accuracy.detail
    assert "0.010 (0.009 to 0.011) in the manifest: the ratio differs by" in latency.detail


def test_other_images_are_not_taken_for_those_that_were_measured_on(
    exported: Path, shapes: Path, tmp_path: Path
) -> None:
    def fewer(facts: DataFacts, store: Store, limit: int | None, task: Task) -> Dataset:
        assert facts.images is not None
        return dataset_from_coco(
            facts.images, shapes / "eval" / "instances.json", limit=min(limit or 20, 20), store=store, task=task
        )

    *_, accuracy, _ = verify_package(exported, fewer)
    assert accuracy.outcome == "failed"
    assert "These are not the 40 images of eval" in accuracy.detail


def test_images_that_are_not_there_are_asked_for(exported: Path, tmp_path: Path) -> None:
    source = EvaluationSpec(images=tmp_path / "absent", annotations=tmp_path / "absent.json")
    with pytest.raises(DatasetError, match=r"There is no .*absent here: name the evaluation images with --images"):
        list(verify_folder(exported, source=source, quick=True))


@pytest.mark.parametrize(
    "named", [("--images", "a"), ("--annotations", "b"), ("--images", "a", "--annotations", "b", "--data", "c")]
)
def test_images_are_named_in_one_way(exported: Path, named: tuple[str, ...]) -> None:
    assert "by --images and --annotations together, or by --data alone" in qpareto("verify", exported, *named).sentence


def test_a_failed_check_is_a_line_on_stdout_and_exit_code_1(copy: Path) -> None:
    (copy / "README.md").unlink()
    outcome = qpareto("verify", copy)
    assert outcome.code == 1
    manifest_line, files_line = outcome.out.splitlines()
    assert manifest_line.startswith("passed   manifest: written ")
    assert files_line.startswith("failed   files: README.md is missing")
    assert outcome.err == ""
