"""What is shipped for Ultralytics, read by Ultralytics itself: its reader of headers, its `YOLO(...).val()`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from qpareto.objectives.accuracy.data.reading import dataset_from_coco
from qpareto.objectives.accuracy.heads import Head
from qpareto.objectives.accuracy.heads.plain_heads import EndToEndHead, Yolov5Head, Yolov8Head
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.search.api import export_from_study, run_study
from qpareto.search.ship.choice import Choice
from qpareto.search.ship.manifest import Manifest, read_manifest
from qpareto.search.ship.ultralytics import ultralytics_header, ultralytics_metadata, why_not_ultralytics
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.model import DetectorModel, read_model

pytest.importorskip("ultralytics", reason="needs Ultralytics: pip install 'qpareto[yolo]'")

CLOSE = 0.005  # mAP50-95: Ultralytics counts a little otherwise than pycocotools
VALIDATE = """
import json, sys
from ultralytics import YOLO
engine, data, out = sys.argv[1:]
found = YOLO(engine, task="detect").val(data=data, plots=False, verbose=False, workers=0, project=out, name="val")
print(json.dumps({"map50_95": found.box.map, "names": list(found.names.values())}))
"""


@pytest.fixture
def model(shapes: Path) -> DetectorModel:
    return read_model(shapes / "model.onnx")


HEAD = Yolov8Head(0, 12)


def yolo_data(images: Path, annotations: Path, folder: Path, *, limit: int | None = None) -> Path:
    """A COCO data set as Ultralytics reads it: labels beside links to the images, and a data.yaml."""
    dataset = dataset_from_coco(images, annotations, limit=limit)
    labels: dict[int, list[str]] = {image.image_id: [] for image in dataset.images}
    sizes = {image.image_id: (image.width, image.height) for image in dataset.images}
    index = {category: i for i, category in enumerate(dataset.category_ids)}
    for box in dataset.annotations:
        (left, top, wide, high), (width, height) = box["bbox"], sizes[box["image_id"]]
        middle = (left + wide / 2) / width, (top + high / 2) / height
        row = (index[box["category_id"]], *middle, wide / width, high / height)
        if not box["iscrowd"]:
            labels[box["image_id"]].append(" ".join(map(str, row)))
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    for image in dataset.images:
        (folder / "images" / image.path.name).symlink_to(image.path)
        (folder / "labels" / image.path.name).with_suffix(".txt").write_text("\n".join(labels[image.image_id]))
    names = dict(enumerate(dataset.category_names))
    content = {"path": str(folder), "train": "images", "val": "images", "names": names}
    (folder / "data.yaml").write_text(yaml.safe_dump(content))
    return folder / "data.yaml"


def validated(engine: Path, data: Path, out: Path) -> Any:
    """In a process and with settings of its own, as a user would."""
    command: list[str | Path] = [sys.executable, "-c", VALIDATE, engine, data, out]
    environment = {**os.environ, "YOLO_CONFIG_DIR": str(out), "YOLO_OFFLINE": "true"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=out)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def float_type_of_ultralytics() -> str:
    """It leaves that to OpenVINO, which takes BF16 where the processor is fast in it: no FP32 study's engine."""
    return engine_kind("openvino").faster_float_type(OpenVinoOptions()) or "fp32"


def test_an_exported_openvino_folder_gives_the_manifests_map_in_ultralytics(
    exported: Path, manifest: Manifest, shapes: Path, tmp_path: Path
) -> None:
    data = yolo_data(shapes / "eval" / "images", shapes / "eval" / "instances.json", tmp_path / "data")
    found = validated(exported / "best_openvino_model", data, tmp_path)
    assert found["names"] == list(manifest.model.class_names or ())
    assert found["map50_95"] == pytest.approx(manifest.measurement.accuracy.value, abs=CLOSE)


def test_an_exported_yolo11n_gives_the_manifests_map_in_ultralytics(shared: Path, tmp_path: Path) -> None:
    document = {
        "version": 1,
        "name": "yolo11n",
        "model": str(shared / "models" / "yolo11n.onnx"),
        "data": {
            "images": str(shared / "coco" / "eval" / "images"),
            "annotations": str(shared / "coco" / "eval" / "instances.json"),
            "calibration": str(shared / "coco" / "calib" / "images"),
            "limit": 80,
        },
        "space": {"calibration": {"methods": ["max"], "sizes": [8]}},
        "engine": {"float_type": float_type_of_ultralytics()},
        "latency": {"ci_width": 0.5, "max_seconds": 1.0, "max_wait_s": 0},
        "search": {"sampler": "random", "trials": 2, "race": None, "warm_start": 0},
        "cache": str(tmp_path / "cache"),
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(document))
    spec = load_study_file(tmp_path / "study.yaml")
    run_study(spec)  # float, and ModelOpt's max
    written = export_from_study(spec, Choice(trial=1), tmp_path / "best", confirm=False)
    coco = shared / "coco" / "eval"
    data = yolo_data(coco / "images", coco / "instances.json", tmp_path / "data", limit=spec.data.limit)
    found = validated(tmp_path / "best" / "best_openvino_model", data, tmp_path)
    assert found["map50_95"] == pytest.approx(written.measurement.accuracy.value, abs=CLOSE)


def test_the_header_of_a_tensorrt_plan_is_what_ultralytics_reads_byte_by_byte(
    model: DetectorModel, tmp_path: Path
) -> None:
    from ultralytics.nn.backends.base import BaseBackend

    names = ["kräftig", *(model.class_names or ())[1:]]
    metadata = ultralytics_metadata(model, HEAD, names, batch=4, ours={"graph_hash": "abc"})
    header, plan = ultralytics_header(metadata), bytes(range(256)) * 7
    (tmp_path / "best.engine").write_bytes(header + plan)
    offset, found = BaseBackend.engine_header(tmp_path / "best.engine")
    assert (tmp_path / "best.engine").read_bytes()[offset:] == plan
    assert offset == len(header) == 4 + int.from_bytes(header[:4], "little", signed=True)
    assert header[4:].isascii()
    assert header[4:] == json.dumps(found).encode()
    assert found == json.loads(json.dumps(metadata))
    assert BaseBackend.read_metadata(tmp_path / "best.engine") == found


def test_ultralytics_takes_every_field_as_it_takes_those_of_its_own_export(
    model: DetectorModel, tmp_path: Path
) -> None:
    from ultralytics.nn.backends.base import BaseBackend

    class Backend(BaseBackend):  # type: ignore[misc] # Ultralytics has no types
        def load_model(self, weight: Any) -> None:
            self.apply_metadata(self.read_metadata(weight))

        def forward(self, im: Any) -> Any:
            raise NotImplementedError

    metadata = ultralytics_metadata(model, HEAD, model.class_names or (), batch=1, ours={})
    ours, its_own = tmp_path / "best.engine", tmp_path / "model.onnx"
    ours.write_bytes(ultralytics_header(metadata) + b"plan")
    its_own.write_bytes(model.path.read_bytes())
    one, other = Backend(ours, "cpu"), Backend(its_own, "cpu")
    assert {int(k): v for k, v in one.names.items()} == other.names
    for name in ("stride", "task", "batch", "imgsz", "channels", "end2end", "dynamic"):
        assert getattr(one, name) == getattr(other, name), name


def test_a_model_that_carries_no_metadata_gets_what_ultralytics_needs(model: DetectorModel) -> None:
    bare = replace(model, metadata={})
    found = ultralytics_metadata(bare, HEAD, ["a", "b"], batch=2, ours={"float_type": "fp16"})
    expected: dict[str, Any] = {
        "stride": 32,
        "task": "detect",
        "batch": 2,
        "imgsz": [320, 320],
        "names": {0: "a", 1: "b"},
        "channels": 3,
        "end2end": False,
        "qpareto": {"float_type": "fp16"},
    }
    assert found == expected | {"description": "A detector quantized by qpareto"}


@pytest.mark.parametrize(
    ("kind", "head", "input_name", "said"),
    [
        ("openvino", HEAD, "images", None),
        ("openvino", HEAD, "x", None),
        ("tensorrt", EndToEndHead(0, None), "images", None),
        ("tensorrt_rtx", HEAD, "images", "none of kind tensorrt_rtx"),
        ("openvino", Yolov5Head(0, 80), "images", "yolov5 head"),
        ("openvino", Yolov8Head(2, 80), "images", "the boxes are output 2"),
        ("tensorrt", HEAD, "x", "but it is 'x'"),
    ],
)
def test_what_ultralytics_would_read_wrongly_is_not_shipped_to_it(
    model: DetectorModel, kind: str, head: Head, input_name: str, said: str | None
) -> None:
    reason = why_not_ultralytics(kind, replace(model, input_name=input_name), head)
    assert reason is None if said is None else said in (reason or "")


def test_the_metadata_beside_an_openvino_engine_says_what_it_is(exported: Path, manifest: Manifest) -> None:
    found = yaml.safe_load((exported / "best_openvino_model" / "metadata.yaml").read_text())
    assert found["qpareto"] == {"graph_hash": manifest.measurement.engine.graph_hash, "float_type": "fp32"}
    assert read_manifest(exported) == manifest
