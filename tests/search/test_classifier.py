"""A classifier the whole way: drafted, searched, asked, exported, verified, and loaded by Ultralytics."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from colours import COLOURS, colour_classifier, colour_folders
from command_line import qpareto
from qpareto.errors import DatasetError, StudyFileError
from qpareto.search.run.prepare import scorer_of_spec
from qpareto.search.study_file.loading import load_study_file

EACH, WRONG = 12, 3  # pictures of a colour, of which so many are labelled as the next one
TOP1 = 1 - WRONG / EACH


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study file that `init` drafts, after a run of six trials; the home folder with its cache is its own."""
    folder = tmp_path_factory.mktemp("colours")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder / "home"))
        colour_classifier(folder / "model.onnx")
        colour_folders(folder / "data" / "val", each=EACH, wrong=WRONG, seed=0)
        colour_folders(folder / "data" / "train", each=8, seed=1)
        drafted = qpareto("init", folder / "model.onnx", "--data", folder / "data", "-o", folder / "study.yaml")
        assert drafted.code == 0, drafted
        assert f"The float model's top-1 on {3 * EACH} images is {TOP1:.4f}" in drafted.err
        document = yaml.safe_load((folder / "study.yaml").read_text())
        document["cache"] = str(folder / "home" / ".cache" / "qpareto")
        document["latency"] = {"max_seconds": 0.5, "max_wait_s": 0}
        (folder / "study.yaml").write_text(yaml.safe_dump(document))
        assert qpareto("run", folder / "study.yaml", "--trials", "6").code == 0
    return folder / "study.yaml"


@pytest.fixture(scope="module")
def exported(study: Path) -> Path:
    assert qpareto("export", study, "-o", study.with_name("best"), "--trial", "1").code == 0
    return study.with_name("best")


def manifest_of(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return told


def test_the_draft_scores_the_folders_calibrates_with_train_and_searches_for_top_1(study: Path) -> None:
    document = yaml.safe_load(study.read_text())
    assert document["data"] == {"folder": "data", "calibration": "data/train"}
    assert document["objectives"] == ["top1", "latency_ms"]


def test_the_front_says_top_1_and_never_map(study: Path) -> None:
    told = qpareto("front", study)
    assert "top-1" in told.out
    assert "mAP" not in told.out + told.err
    points = json.loads(qpareto("front", study, "--json").out)
    assert {point["top1"] for point in points} == {TOP1}  # what is right by much is right in INT8


def test_limits_are_those_of_top_1_and_others_are_refused(study: Path) -> None:
    assert qpareto("front", study, "--require", "top1_drop=0.01").code == 0
    told = qpareto("front", study, "--require", "map_drop=0.01")
    assert told.sentence.endswith("is of mAP50-95, but this study measures top-1: write top1_drop=0.01.")


def test_the_report_says_top_1(study: Path) -> None:
    assert qpareto("report", study, "-o", study.with_name("report.html")).code == 0
    page = study.with_name("report.html").read_text()
    assert "What top-1 hides" in page
    said = re.sub(r'base64,[^"]*|"bdata":\s*"[^"]*"', "", page.partition('<script type="text/plain" id="plotly">')[0])
    assert "mAP" not in said  # by chance the bytes of pictures and figures hold these letters


def test_the_export_tells_top_1_is_verified_and_holds_no_map(exported: Path) -> None:
    manifest = manifest_of(exported)
    assert manifest["figures"]["top1"] == pytest.approx(TOP1)
    assert manifest["measurement"]["top1_by_class"] == {colour: pytest.approx(TOP1) for colour in COLOURS}
    assert manifest["drift"]["sizes"] == []
    readme = (exported / "README.md").read_text()
    assert f"top-1 {TOP1:.4f}" in readme
    assert 'task="classify"' in readme
    assert "mAP" not in readme
    checks = {check["name"]: check for check in json.loads(qpareto("verify", exported, "--json").out)}
    assert {name: check["outcome"] for name, check in checks.items() if name != "latency"} == dict.fromkeys(
        ("manifest", "files", "device", "versions", "parity", "accuracy"), "passed"
    )
    assert re.fullmatch(r"on 8 images scores are off by 0\.\d{3}", checks["parity"]["detail"])
    assert checks["accuracy"]["detail"] == f"top-1 {TOP1:.4f} on {3 * EACH} images, {TOP1:.4f} in the manifest"


def test_ultralytics_scores_model_and_export_as_we_do(
    study: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setitem(os.environ, "YOLO_OFFLINE", "true")
    monkeypatch.chdir(tmp_path)
    ultralytics = pytest.importorskip("ultralytics", reason="needs Ultralytics: pip install 'qpareto[yolo]'")
    for model in (study.with_name("model.onnx"), exported / "best_openvino_model"):
        scored = ultralytics.YOLO(model, task="classify").val(
            data=str(study.with_name("data")), imgsz=64, plots=False, workers=0
        )
        assert scored.top1 == pytest.approx(TOP1)
    image = next((study.with_name("data") / "val" / "red").glob("red-*.png"))
    (found,) = ultralytics.YOLO(exported / "best_openvino_model", task="classify")(str(image))
    assert found.names[found.probs.top1] == "red"
    assert np.isclose(float(found.probs.data.sum()), 1, atol=1e-3)


@pytest.mark.parametrize(
    ("override", "error", "said"),
    [
        ("objectives=[map50_95,latency_ms]", StudyFileError, "name top1 among the objectives, instead of map50_95"),
        ("data.folder=data/nowhere", DatasetError, "There is no folder"),
    ],
)
def test_what_does_not_go_with_a_classifier_is_refused(
    study: Path, override: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        scorer_of_spec(load_study_file(study, [override]))


def test_a_folder_of_classes_is_no_data_for_a_detector(study: Path, assets: Path) -> None:
    spec = load_study_file(study, [f"model={assets / 'model.onnx'}", "objectives=[map50_95,latency_ms]"])
    with pytest.raises(DatasetError, match="The model finds boxes, so what it is scored on is `yaml`, or `images`"):
        scorer_of_spec(spec)
