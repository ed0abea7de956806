"""What goes wrong at users': each gives one clear sentence and exit code 1, and leaves nothing half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from command_line import qpareto, refusal
from networks import NetworkWriter

Change = Callable[[dict[str, Any]], None]


def unfinished(cache: Path) -> set[Path]:
    """Cache entries that were begun; those of tests that kill a worker stay."""
    return {path for path in cache.rglob(".*") if path.is_dir()}


@pytest.fixture(autouse=True)
def _nothing_half_written(assets: Path, study_file: Path) -> Iterator[None]:
    """Whatever a test of this file does: no database, no half entry in the cache."""
    before = unfinished(assets / "cache")
    yield
    assert unfinished(assets / "cache") == before
    assert list(study_file.parent.glob("*.db")) == []


# The study file


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("serach.trials=3", "unknown key 'serach': the nearest known one is 'search'"),
        ("search.trials=many", "'search.trials' (found 'many'): input should be a valid integer"),
        ("search.trials=0", "'search.trials' (found 0)"),
        ("version=2", "'version' (found 2): input should be 1"),
        ("engine.float_type=fp64", "openvino runs float layers in fp32 or bf16, not in 'fp64'"),
        ("engine.kind=openvinno", "the nearest is 'openvino'"),
        ("engine.threads=4096", "set engine.threads="),
        ("space.mask.layers=3", "'space.mask.layers' (found 3)"),
        ("space.mask.keep_float=['[']", "'[' is not a regular expression"),
        ("space.mask.keep_float=[nothing]", "'nothing' matches no layer"),
        ("objectives=[map50_95, map50_95]", "a value stands twice"),
        ("head=yolov5", "fit no known head"),
        ("cache_remote=bucket/prefix", "cache_remote is no URL: write one such as s3://bucket/prefix"),
        ("cache_remote=nowhere://bucket", "cache_remote cannot be used: nowhere:// has no driver here"),
        ("cache_limit_gib=0", "'cache_limit_gib' (found 0)"),
        ("name=", "'name' (found None)"),
        ("model=~nobody-of-this-name/model.onnx", "There is no model at"),
    ],
)
def test_a_wrong_key_or_value(study_file: Path, override: str, said: str) -> None:
    assert said in refusal(study_file, override)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds nothing, not the keys of a study file"),
        (b"# nothing but a comment\n", "holds nothing"),
        (b"- a list", "holds a list"),
        (b"version: 2\n", "is of version 2, but this qpareto reads version 1"),
        (b"name: no version\n", "is of version None"),
        (b"version: 1\n  name: [", "cannot be read as YAML"),
        (b"\xff\xfe\x00", "cannot be read as YAML"),
    ],
)
def test_a_file_that_is_no_study_file(study_file: Path, content: bytes, said: str) -> None:
    study_file.write_bytes(content)
    assert said in refusal(study_file)


def test_a_study_file_that_is_not_there(tmp_path: Path) -> None:
    assert "There is no study file" in refusal(tmp_path / "absent.yaml")
    assert "cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize("command", [("front",), ("export", "--knee", "-o", "best")])
def test_a_study_that_was_never_run(study_file: Path, command: tuple[str, ...]) -> None:
    assert "`qpareto run` makes one" in qpareto(command[0], study_file, *command[1:]).sentence


@pytest.mark.parametrize(
    ("required", "said"),
    [
        (("map_drp=0.01",), "the nearest is 'map_drop'"),
        (("latency_ratio=75",), "latency_ratio=75 is out of range"),
        (("latency_ratio=",), "it has no limit; write one such as latency_ratio=0.75"),
        (("yolo-99", "map_share=0.9"), "map_share is required twice, by yolo-99 and by map_share=0.9"),
        (("map_drop=0.01", "--all"), "--all lists more trials, but --require prints no list"),
    ],
)
def test_a_requirement_that_makes_no_sense(study_file: Path, required: tuple[str, ...], said: str) -> None:
    words = [word for text in required for word in (("--require", text) if "=" in text or "yolo" in text else (text,))]
    assert said in qpareto("front", study_file, *words).sentence


# The model


@pytest.mark.parametrize("command", ["run", "layers"])
@pytest.mark.parametrize("kept", [0, 100, 0.5, -10])
def test_a_truncated_model(assets: Path, study_file: Path, tmp_path: Path, command: str, kept: float) -> None:
    whole = (assets / "model.onnx").read_bytes()
    path = tmp_path / "model.onnx"
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    outcome = qpareto("layers", path) if command == "layers" else qpareto("run", study_file, "--set", f"model={path}")
    assert f"{path} is not a readable ONNX model" in outcome.sentence


def test_a_model_that_is_missing_or_something_else(assets: Path, study_file: Path) -> None:
    assert "There is no model at" in refusal(study_file, "model=absent.onnx")
    assert "There is no checkpoint at" in refusal(study_file, "model=absent.pt")
    assert "There is no model at" in refusal(study_file, "model=.")
    assert "not a readable ONNX model" in refusal(study_file, f"model={assets / 'eval' / '0.png'}")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ([1, 3, "height", "width"], "odd.onnx takes images of any size: say which, by `imgsz: 640`"),
        ([1, 1, 64, 64], "needs [batch, 3, height, width]"),
    ],
)
def test_a_model_of_no_size_or_of_an_odd_shape(
    assets: Path, study_file: Path, tmp_path: Path, shape: list[int | str], said: str
) -> None:
    model = onnx.load(assets / "model.onnx")
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.Clear()
        setattr(dim, "dim_param" if isinstance(size, str) else "dim_value", size)
    del model.graph.value_info[:]
    onnx.save(model, tmp_path / "odd.onnx")
    assert said in refusal(study_file, f"model={tmp_path / 'odd.onnx'}")


def fixed_to_one_image(assets: Path, path: Path) -> Path:
    """The model with the best of a batch's images in front of its output."""
    model = onnx.load(assets / "model.onnx")
    last = model.graph.node[-1]
    output, last.output[0] = last.output[0], "apart"
    model.graph.node.append(onnx.helper.make_node("ReduceMax", ["apart"], [output], name="/best", axes=[0]))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("command", [("run",), ("measure", "--mask", "all", "--calibration", "max:2")])
def test_a_model_that_cannot_be_given_the_engines_batch_before_anything_is_calibrated(
    assets: Path, study_file: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    model = fixed_to_one_image(assets, tmp_path / "fixed.onnx")
    overrides = ["engine.batch=8", f"model={model}", f"cache={tmp_path / 'cache'}"]
    outcome = qpareto(command[0], study_file, *command[1:], *(word for o in overrides for word in ("--set", o)))
    why = "its ReduceMax '/best' does not keep the images apart"
    assert f"The model cannot be given engine.batch=8, since {why}" in outcome.sentence
    assert "export it with batch=8" in outcome.sentence
    assert not (tmp_path / "cache" / "calibrated").exists()


def test_a_model_without_a_layer_that_can_be_quantized(study_file: Path, tmp_path: Path) -> None:
    network = NetworkWriter()
    pooled = network.node("MaxPool", ["images"], "/pool", kernel_shape=[2, 2], strides=[2, 2])
    network.weights.append(numpy_helper.from_array(np.array([1, 24, -1], np.int64), "shape"))
    path = network.write(tmp_path / "bare.onnx", network.node("Reshape", [pooled, "shape"], "/reshape"))
    assert "there is nothing to quantize" in refusal(study_file, f"model={path}")
    assert "there is nothing to quantize" in qpareto("layers", path).sentence


def test_a_model_that_is_no_detector(study_file: Path, tmp_path: Path) -> None:
    network = NetworkWriter()
    path = network.write(tmp_path / "plain.onnx", network.conv("images", "/model.0", inputs=3, outputs=16))
    assert "[1, 16, 64, 64] fit no known head" in refusal(study_file, f"model={path}")


# Annotations


def without(section: str) -> Change:
    return lambda coco: coco.pop(section)


def first(section: str, **fields: Any) -> Change:
    return lambda coco: coco[section][0].update(fields)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("images"), "has no list 'images', so it is not COCO"),
        (without("categories"), "has no list 'categories', so it is not COCO"),
        (first("annotations", category_id=99), "1 unknown category_id (99)"),
        (first("annotations", image_id=99), "1 unknown image_id (99)"),
        (first("images", file_name="absent.png"), "1 image (absent.png) of 6 cannot be found in"),
        (first("images", width=100), "another size"),
        (first("images", id=1), "repeat 1 id (1)"),
        (first("annotations", bbox=[1, 2]), "has the bbox [1, 2]"),
        (lambda coco: coco.update(annotations=[]), "have no boxes to find"),
        (lambda coco: coco.update(images=[], annotations=[]), "lists no image"),
        (lambda coco: coco["categories"].append({"id": 20, "name": "one more"}), "has 21 categories"),
    ],
)
def test_annotations_that_are_not_coco_or_name_what_is_not_there(
    assets: Path, study_file: Path, tmp_path: Path, change: Change, said: str
) -> None:
    coco = json.loads((assets / "instances.json").read_text())
    change(coco)
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(coco))
    assert said in refusal(study_file, f"data.annotations={path}")


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00"])
def test_annotations_that_are_no_json(study_file: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(content)
    assert "name a COCO instances file" in refusal(study_file, f"data.annotations={path}")


def test_data_that_is_not_there(study_file: Path) -> None:
    assert "There are no annotations at" in refusal(study_file, "data.annotations=absent.json")
    assert "6 images (0.png, 1.png, 2.png, ...) of 6 cannot be found" in refusal(study_file, "data.images=absent")
    assert "There are no images at" in refusal(study_file, "data.calibration=absent")


# Images


def spoil(folder: Path, names: list[str]) -> None:
    """The first is empty, the second truncated, the third something else."""
    whole = (folder / names[1]).read_bytes()
    for name, content in zip(names, [b"", whole[: len(whole) // 2], b"no picture"], strict=True):
        (folder / name).write_bytes(content)


def test_images_that_cannot_be_decoded_are_counted_and_named(assets: Path, study_file: Path, tmp_path: Path) -> None:
    shutil.copytree(assets / "eval", tmp_path / "images")
    spoil(tmp_path / "images", ["1.png", "2.png", "3.png"])
    said = refusal(study_file, f"data.images={tmp_path / 'images'}")
    assert said.startswith("3 images (1.png, 2.png, 3.png) cannot be decoded")


def test_images_that_cannot_be_decoded_are_skipped_on_request_and_named(
    assets: Path, study_file: Path, tmp_path: Path
) -> None:
    for name in ("eval", "calib"):
        shutil.copytree(assets / name, tmp_path / name)
        spoil(tmp_path / name, ["1.png", "2.png", "3.png"])
    overrides = [f"data.images={tmp_path / 'eval'}", f"data.calibration={tmp_path / 'calib'}", "data.bad_images=skip"]
    outcome = qpareto(
        "measure", study_file, "--mask", "none", "--json", *(word for o in overrides for word in ("--set", o))
    )
    assert outcome.code == 0
    assert json.loads(outcome.out)["images"] == 3
    evaluation, calibration = outcome.err.splitlines()
    assert evaluation.startswith("qpareto: 3 images (1.png, 2.png, 3.png)")
    assert calibration.startswith("qpareto: ")
    assert f"of {tmp_path / 'calib'} cannot be decoded: skipped" in calibration


def test_a_calibration_image_that_cannot_be_decoded(assets: Path, study_file: Path, tmp_path: Path) -> None:
    shutil.copytree(assets / "calib", tmp_path / "calib")
    for path in (tmp_path / "calib").glob("*.png"):
        path.write_bytes(b"")
    assert "images (" in refusal(study_file, f"data.calibration={tmp_path / 'calib'}")


def test_fewer_calibration_images_than_a_size_asks_for(study_file: Path) -> None:
    said = "A calibration of 100 images was asked for, but"
    assert said in refusal(study_file, "space.calibration.sizes=[4, 100]")
    assert said in qpareto("measure", study_file, "--mask", "all", "--calibration", "max:100").sentence


@pytest.mark.parametrize("command", ["run", "measure"])
def test_calibration_images_that_are_also_evaluation_images(
    assets: Path, study_file: Path, tmp_path: Path, command: str
) -> None:
    folder = tmp_path / "calib"
    folder.mkdir()
    for i in range(3):
        shutil.copy(assets / "calib" / f"{i}.png", folder)
    shutil.copy(assets / "eval" / "0.png", folder / "another name.png")
    options = ("--mask", "all", "--calibration", "max:4") if command == "measure" else ()
    said = qpareto(command, study_file, *options, "--set", f"data.calibration={folder}").sentence
    assert said.startswith("1 calibration image (another name.png) of 4 are also evaluation images")
