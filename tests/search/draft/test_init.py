"""`qpareto init`, whole: what it writes runs as it is, and what is wrong is told before anything is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from command_line import qpareto
from qpareto.objectives.engines import engine_kind
from qpareto.search.study_file.loading import load_study_file

QUICK = ["space.calibration.methods=[max]", "search.baselines=false", "search.warm_start=0", "search.sampler=random"]
QUICK += ["latency.max_seconds=0.3", "latency.max_wait_s=0"]
QUICKLY = [word for override in QUICK for word in ("--set", override)]


@pytest.mark.usefixtures("cache_at_home")
def test_what_init_writes_runs_as_it_is_and_ends_with_a_front(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").symlink_to(shapes)
    data = ("--images", "own/eval/images", "--annotations", "own/eval/instances.json")
    written = qpareto("init", "own/model.onnx", *data)
    assert written.code == 0, written
    names = ["study.yaml", "study-calibration.txt", "study-evaluation.json"]
    assert written.out.split() == names

    spec = load_study_file(Path("study.yaml"))
    assert spec.model == tmp_path / "own" / "model.onnx"
    assert spec.space.calibration.sizes == (10,)
    assert spec.engine.batch == 1
    assert spec.storage == f"sqlite:///{tmp_path}/study.db"
    document = yaml.safe_load(Path("study.yaml").read_text())
    assert document["model"] == "own/model.onnx", "what lies below the study file moves with it"
    assert len(json.loads(Path("study-evaluation.json").read_text())["images"]) == 30

    front = qpareto("run", "study.yaml", "--trials", "1", "--json", *QUICKLY)
    assert front.code == 0, front
    assert [point["images"] for point in json.loads(front.out)] == [30] * len(json.loads(front.out))
    assert json.loads(front.out)


@pytest.mark.usefixtures("cache_at_home")
def test_init_replaces_nothing_unless_it_is_told_to(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine.yaml"
    labelled = ("--images", shapes / "eval" / "images", "--annotations", shapes / "eval" / "instances.json")
    arguments = ("init", shapes / "model.onnx", *labelled, "-o", "mine.yaml")
    (tmp_path / "mine-calibration.txt").write_text("precious")
    assert "mine-calibration.txt exists already: name another file by -o" in qpareto(*arguments).sentence
    assert not mine.exists()
    mine.write_text("precious")
    assert "mine.yaml exists already" in qpareto(*arguments).sentence
    assert mine.read_text() == "precious"
    assert qpareto(*arguments, "--force").code == 0
    assert load_study_file(mine).data.calibration == tmp_path / "mine-calibration.txt"


@pytest.mark.usefixtures("cache_at_home")
def test_what_a_run_would_refuse_is_refused_and_nothing_is_written(shapes: Path, tmp_path: Path) -> None:
    study, images = tmp_path / "study.yaml", shapes / "eval" / "images"
    labelled = ("--images", images, "--annotations", shapes / "eval" / "instances.json", "-o", study)
    model = shapes / "model.onnx"
    assert "together, or by --data alone" in qpareto("init", model, "--images", images).sentence
    assert "There is no model at" in qpareto("init", tmp_path / "absent.onnx", *labelled).sentence
    assert "fit no known head" in qpareto("init", model, *labelled, "--head", "yolov5").sentence
    assert (
        "--imgsz 64,64,64: write a number of pixels"
        in qpareto("init", model, *labelled, "--imgsz", "64,64,64").sentence
    )
    assert "takes images of 320 x 320 (height" in qpareto("init", model, *labelled, "--imgsz", "480,640").sentence
    said = qpareto("init", model, *labelled, "--calibration", images).sentence
    assert "are also evaluation images" in said
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_coco_and_yolo11n_are_drafted_without_copying_images(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    coco, study = shared / "coco" / "eval", tmp_path / "yolo11n.yaml"
    data = ("--images", coco / "images", "--annotations", coco / "instances.json")
    assert qpareto("init", shared / "models" / "yolo11n.onnx", *data, "-o", study).code == 0
    spec = load_study_file(study)
    assert spec.data.images == coco / "images"
    assert spec.space.calibration.sizes == (82,)
    names = [Path(line).name for line in (tmp_path / "yolo11n-calibration.txt").read_text().splitlines()]
    scored = [entry["file_name"] for entry in json.loads((tmp_path / "yolo11n-evaluation.json").read_text())["images"]]
    assert (len(scored), len(names)) == (246, 82)
    assert not {*scored} & {*names}
    assert "640x640 pixels, a yolov8 head (no NMS in the graph), 80 classes (person," in study.read_text()
    assert [path.parent.name for path in tmp_path.rglob("*.jpg")] == ["logs"], "the picture of what was found"


Choose = Callable[..., str]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Which kind is chosen where these can be built and run: an answer of `availability`, not an engine."""
    from dataclasses import replace

    from qpareto.objectives.engines import KINDS
    from qpareto.search.draft.machine import engine_for_here

    def chosen(*able: str) -> str:
        for name in KINDS:
            kind = engine_kind(name)
            found = replace(kind.availability(), can_build=name in able, can_run=name in able)
            monkeypatch.setattr(type(kind), "availability", lambda _, found=found: found)
        return engine_for_here(batch=1).kind

    return chosen


def test_a_gpus_engine_is_drafted_where_one_runs(machine: Choose) -> None:
    assert machine("openvino", "tensorrt", "tensorrt_rtx") == "tensorrt"
    assert machine("openvino", "tensorrt_rtx") == "tensorrt_rtx"
    assert machine("openvino") == "openvino"
