"""A float model that scores what it cannot have been trained for ends `run` and `init` before anything is searched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from command_line import Outcome, qpareto, refusal
from shapes_study import shapes_study

QUICK = {
    "space": {"calibration": {"methods": ["max"], "sizes": [4]}},
    "engine": {"threads": 2},
    "latency": {"ci_width": 0.2, "max_seconds": 0.3, "max_wait_s": 0},
    "search": {"sampler": "random", "trials": 1, "race": None, "warm_start": 0},
}


@pytest.fixture
def study(shapes: Path, tmp_path: Path) -> Path:
    return shapes_study(shapes, tmp_path, **QUICK)


@pytest.fixture
def other_order(shapes: Path, tmp_path: Path) -> Path:
    """Annotations whose categories have other names than the model's classes, and another order."""
    coco = json.loads((shapes / "eval" / "instances.json").read_text())
    count = len(coco["categories"])
    coco["categories"] = [{"id": i, "name": f"kind {i}"} for i in range(count)]
    ids = sorted({entry["category_id"] for entry in coco["annotations"]})
    for entry in coco["annotations"]:
        entry["category_id"] = (ids.index(entry["category_id"]) + 5) % count
    path = tmp_path / "reordered.json"
    path.write_text(json.dumps(coco))
    return path


@pytest.fixture
def of_bytes(shapes: Path, tmp_path: Path) -> Path:
    """The quickstart's detector as one that takes 0 to 255."""
    model = onnx.load(shapes / "model.onnx")
    (image,) = model.graph.input
    for node in model.graph.node:
        node.input[:] = ["scaled" if name == image.name else name for name in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array(255, np.float32), "most"))
    model.graph.node.insert(0, helper.make_node("Div", [image.name, "most"], ["scaled"], name="/scale/Div"))
    onnx.save(model, tmp_path / "bytes.onnx")
    return tmp_path / "bytes.onnx"


REMARK = "otherwise: they are matched by order."


def behind_the_remark(outcome: Outcome) -> str:
    """The sentence of a refusal, behind what is said of classes of other names."""
    assert outcome.code == 1
    remark, said = outcome.err.splitlines()
    assert remark.endswith(REMARK)
    return said


def picture_named(said: str) -> Path:
    """The path that ends a sentence."""
    return Path(said.rpartition(": ")[2].strip())


def test_a_run_over_labels_in_another_order_ends_before_there_is_a_study(study: Path, other_order: Path) -> None:
    said = behind_the_remark(qpareto("run", study, "--set", f"data.annotations={other_order}"))
    assert "mAP50-95 on 40 images is 0.0" in said
    assert "below 0.05" in said
    assert "but with other classes, so check first the label order, then head, channel order, scaling" in said
    assert "data.expect_map" in said
    assert picture_named(said).is_file()
    assert list(study.parent.glob("*.db")) == []


def test_a_model_that_takes_other_values_finds_hardly_anything(study: Path, of_bytes: Path, other_order: Path) -> None:
    said = refusal(study, f"model={of_bytes}")
    assert "read otherwise it has 0.6" in said
    assert "so set preprocessing: {divide: 1.0} in the study file" in said
    assert list(study.parent.glob("*.db")) == []
    overrides = ("--set", f"model={of_bytes}", "--set", f"data.annotations={other_order}")
    nothing_helps = behind_the_remark(qpareto("run", study, *overrides))
    assert "hardly any box is found" in nothing_helps
    assert "so check first the scaling, then head, channel order, label order and box format" in nothing_helps


def test_less_than_four_fifths_of_what_is_expected_is_refused_and_with_0_anything_runs(
    study: Path, other_order: Path
) -> None:
    said = refusal(study, "data.expect_map=0.99")
    assert "below 0.792, which is 0.8 of data.expect_map" in said
    assert "check, in this order, head, channel order, scaling, label order and box format" in said
    overrides = ("--set", "data.expect_map=0", "--set", f"data.annotations={other_order}")
    assert qpareto("run", study, "--json", *overrides).code == 0


def init(model: Path, shapes: Path, annotations: Path, study: Path, *options: str) -> Outcome:
    labelled = ("--images", shapes / "eval" / "images", "--annotations", annotations)
    return qpareto("init", model, *labelled, "--calibration", shapes / "calib" / "images", "-o", study, *options)


def test_init_makes_the_same_check_and_shows_a_picture(
    shapes: Path, other_order: Path, of_bytes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    model, right, study = shapes / "model.onnx", shapes / "eval" / "instances.json", tmp_path / "study.yaml"
    said = behind_the_remark(init(model, shapes, other_order, study))
    assert "check first the label order" in said
    assert picture_named(said).is_file()
    assert not study.exists()

    weak = init(model, shapes, other_order, study, "--expect-map", "0")
    assert weak.code == 0
    assert "expect_map: 0 #" in study.read_text()

    changed = init(of_bytes, shapes, right, study, "--force", "--preprocessing", "{divide: 1}")
    assert changed.code == 0
    assert "\npreprocessing: {divide: 1}\n" in study.read_text()
    said = init(of_bytes, shapes, right, study, "--force", "--preprocessing", "{divided: 1}").sentence
    assert "unknown key 'preprocessing.divided': the nearest known one is 'preprocessing.divide'" in said

    good = init(model, shapes, right, study, "--force")
    told, _ = good.err.splitlines()
    assert "The float model's mAP50-95 on 40 images is 0.6" in told
    assert picture_named(told).is_file()
