"""What is said of data, from the study file to the report, and what is refused before anything is measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from command_line import qpareto, refusal
from qpareto.objectives.accuracy.data.coco_file import read_coco
from qpareto.objectives.store import Store
from qpareto.search.api import results
from qpareto.search.draft.data import parted_data
from qpareto.search.run.prepare import scorer_of_spec
from qpareto.search.ship.manifest import read_manifest
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import EvaluationSpec

CHOSEN = "data.classes=[class 0, 3]"


def test_classes_that_count_are_told_by_run_front_and_report_and_verified(study_file: Path, tmp_path: Path) -> None:
    said = "Only 2 classes (class 0, class 3) of "
    run = qpareto("run", study_file, "--set", CHOSEN, "--trials", "1")
    assert run.code == 0, run
    assert run.err.count(said) == 1
    (remark,) = results(load_study_file(study_file)).data
    assert remark.startswith(said)
    assert said in " ".join(qpareto("front", study_file).out.split())
    assert qpareto("report", study_file, "-o", tmp_path / "report.html").code == 0
    assert said in (tmp_path / "report.html").read_text()

    best = tmp_path / "best"
    assert qpareto("export", study_file, "--set", CHOSEN, "--trial", "0", "-o", best).code == 0
    assert read_manifest(best).data.classes == ("class 0", 3)
    assert "passed   accuracy" in qpareto("verify", best).out


def test_a_study_of_other_classes_is_another_study(study_file: Path) -> None:
    assert qpareto("run", study_file, "--trials", "1").code == 0
    refused = qpareto("run", study_file, "--set", CHOSEN)
    assert refused.code == 1
    assert "(data.classes was None, now ['class 0', 3])" in refused.err


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("[dog]", "data.classes has 'dog', but the classes are 0 to 19 (class 0, class 1, class 2, class 3, ...)"),
        ("[20]", "data.classes has 20, but"),
        ("[19]", "has no boxes of the classes that count"),
        ("[-1]", "'data.classes"),
        ("[]", "'data.classes' (found [])"),
    ],
)
def test_classes_that_cannot_count_are_refused(study_file: Path, classes: str, said: str) -> None:
    assert said in refusal(study_file, f"data.classes={classes}")


def calibrating(folder: Path, *pictures: np.ndarray[Any, Any]) -> str:
    folder.mkdir()
    for i, picture in enumerate(pictures):
        assert cv2.imwrite(str(folder / f"{i}.png"), picture)
    return f"data.calibration={folder}"


def noise(size: int, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)


def test_a_black_calibration_set_is_refused(study_file: Path, tmp_path: Path) -> None:
    black = calibrating(tmp_path / "black", *(np.full((64, 64, 3), level, np.uint8) for level in range(4)))
    assert "4 calibration images (" in refusal(study_file, black)
    assert "are black or of one colour, from which no range can be found" in refusal(study_file, black)


def test_a_tiny_or_repeated_calibration_set_is_told_once(
    study_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, picture, said in (
        ("tiny", [noise(4, i) for i in range(4)], "the first is 4x4 pixels, the model takes 64x64"),
        ("repeated", [noise(64, 0)] * 4, "repeat another one: ranges are those of 1."),
    ):
        caplog.clear()
        scorer_of_spec(load_study_file(study_file, [calibrating(tmp_path / name, *picture)]))
        assert [said in message for message in caplog.messages] == [True]


def test_half_of_the_labels_missing_is_told_once_and_stays_with_what_init_parts(
    study_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (tmp_path / "labels").mkdir()
    for i in range(32):
        cv2.imwrite(str(images / f"{i:02}.png"), noise(64, i))
        if i % 2:
            (tmp_path / "labels" / f"{i:02}.txt").write_text("3 0.5 0.5 0.25 0.25\n")
    names = {i: f"class {i}" for i in range(20)}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"val": "images", "names": names}))
    said = (
        "16 of 32 images of data/val have no label file, so whatever is found in them counts as wrong: the first was "
        f"looked for at {tmp_path}/labels/00.txt."
    )
    overrides = ["data.images=null", "data.annotations=null", f"data.yaml={tmp_path / 'data.yaml'}"]
    scorer = scorer_of_spec(load_study_file(study_file, overrides))
    assert [said in message for message in caplog.messages] == [True]
    assert scorer.images.dataset.remarks == (said,)
    parted = parted_data(EvaluationSpec(yaml=tmp_path / "data.yaml"), None, Store(tmp_path / "cache"))
    (tmp_path / "evaluation.json").write_text(json.dumps(parted.annotations))
    assert read_coco(tmp_path / "evaluation.json").remarks == (said,)
    shutil.rmtree(tmp_path / "labels")
    assert "None of the 32 images of data/val has a label file" in refusal(study_file, *overrides)


def test_corners_fractions_and_12_bits_are_refused_by_run(assets: Path, study_file: Path, tmp_path: Path) -> None:
    coco = json.loads((assets / "instances.json").read_text())
    for entry in coco["annotations"]:
        entry["bbox"] = [value / 64 for value in entry["bbox"]]
    (tmp_path / "fractions.json").write_text(json.dumps(coco))
    assert "so they are fractions" in refusal(study_file, f"data.annotations={tmp_path / 'fractions.json'}")
    for entry in coco["annotations"]:
        x, y, width, height = (value * 64 for value in entry["bbox"])
        entry["bbox"] = [x + 20, y + 20, min(x + 20 + width, 64), min(y + 20 + height, 64)]
    (tmp_path / "corners.json").write_text(json.dumps(coco))
    assert "so they are corners" in refusal(study_file, f"data.annotations={tmp_path / 'corners.json'}")
    (tmp_path / "deep").mkdir()
    for i in range(6):
        cv2.imwrite(str(tmp_path / "deep" / f"{i}.png"), noise(64, i).astype(np.uint16) * 16)
    assert "no value above 40" in refusal(study_file, f"data.images={tmp_path / 'deep'}")
