"""The worked examples of docs/extending.md: each is tried on a copy of the package, changed as the page says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import command_line
import qpareto
from command_line import IN_A_PROCESS
from shapes_study import shapes_study
from stand_in import StandIn, stand_in_spec, stand_in_worker

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

SHORT = {"ci_width": 0.5, "max_seconds": 0.3, "max_wait_s": 0}

Change = Callable[..., dict[str, str]]


@pytest.fixture
def changed(tmp_path: Path) -> Change:
    """Copies the package, applies a patch and adds files; returns an environment in which the copy is `qpareto`."""

    def change(patch: Path, **added: Path) -> dict[str, str]:
        copy = tmp_path / "changed" / "qpareto"
        shutil.copytree(Path(qpareto.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["git", "apply", "--unidiff-zero", patch], check=True, cwd=copy)
        for room, file in added.items():
            shutil.copy(file, copy / room.replace(".", "/"))
        return os.environ | {"PYTHONPATH": os.pathsep.join([str(copy.parent), str(ROOT / "tests")])}

    return change


def test_the_engine_kind_of_the_example_keeps_the_contract(changed: Change, tmp_path: Path) -> None:
    example = EXAMPLES / "engine"
    environment = changed(example / "kinds.patch", **{"objectives.engines": example / "onnx_runtime.py"})
    test = shutil.copy(example / "test_onnx_runtime.py", tmp_path)
    own = ["--rootdir", tmp_path, "--basetemp", tmp_path / "session", "-p", "no:cacheprovider"]
    words = ["-q", "-c", ROOT / "pyproject.toml", *own, test]
    command = [sys.executable, "-m", "pytest", *map(str, words)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_the_head_of_the_example_finds_in_two_outputs_what_one_holds(
    changed: Change, shapes: Path, tmp_path: Path
) -> None:
    environment = changed(
        EXAMPLES / "head" / "heads.patch", **{"objectives.accuracy.heads": EXAMPLES / "head" / "two_outputs.py"}
    )
    study = shapes_study(shapes, tmp_path, latency=SHORT)
    in_two(shapes / "model.onnx", tmp_path / "in-two.onnx")
    found = []
    for model in (shapes / "model.onnx", tmp_path / "in-two.onnx"):
        words = ("--set", f"model={model}", "--mask", "all", "--calibration", "max:4", "--json")
        command = [*IN_A_PROCESS, "measure", str(study), *words]
        done = subprocess.run(command, check=False, capture_output=True, env=environment)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    one, two = found
    assert two["map50_95"] == one["map50_95"] > 0.1
    assert two["int8_layers"] == one["int8_layers"]


def test_the_head_of_ones_own_is_named_by_its_import_path_and_needs_no_change(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "own_head")
    study = shapes_study(shapes, tmp_path, latency=SHORT)
    nas = tmp_path / "nas.onnx"
    in_two(shapes / "model.onnx", nas)
    with_corners(nas)
    own = ("--set", "head=yolo_nas_head:YoloNasHead", "--set", "preprocessing.fit=center")
    found = []
    for model, more in ((shapes / "model.onnx", ()), (nas, own)):
        done = command_line.qpareto("measure", study, "--set", f"model={model}", "--mask", "none", "--json", *more)
        assert done.code == 0, done.err
        found.append(json.loads(done.out))
    one, two = found
    assert one["map50_95"] > 0.1
    assert two["map50_95"] == pytest.approx(one["map50_95"], abs=1e-4)


@pytest.mark.parametrize(("patch", "objective"), [("small_objects", "ap_small"), ("peak_memory", "peak_mib")])
def test_the_objectives_of_the_examples_are_searched_for_and_reported(
    changed: Change, study_file: Path, patch: str, objective: str
) -> None:
    environment = changed(EXAMPLES / "objective" / f"{patch}.patch")
    objectives = ("--set", f"objectives=[{objective}, latency_ms]")
    told = []
    for words in (["run", str(study_file), "--trials", "1", "--json"], ["report", str(study_file)]):
        command = [*IN_A_PROCESS, *words, *objectives]
        done = subprocess.run(command, check=False, capture_output=True, env=environment, cwd=study_file.parent)
        assert done.returncode == 0, done.stderr
        told.append(done.stdout)
    front = json.loads(told[0])
    assert front
    assert all(point[objective] is not None for point in front)


def test_the_sampler_of_the_example_walks_one_switch_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "sampler")
    spec = stand_in_spec(f"sqlite:///{tmp_path}/study.db", "walk", sampler="one_by_one.OneByOne")
    worker = stand_in_worker(spec, StandIn(takes_s=0, unit_ms=20.0), layers=12)
    worker.run(trials=20)
    trials = [trial.params for trial in worker.study.study.get_trials()]
    assert len(trials) >= 20
    apart = [min(_differences(trial, earlier) for earlier in trials[:i]) for i, trial in enumerate(trials) if i]
    assert apart.count(1) > len(apart) / 2


def in_two(model: Path, to: Path) -> None:
    """The detector with boxes and scores in two outputs, a box a row."""
    whole = onnx.load(model)
    output = whole.graph.output[0]
    batch, rows, boxes = (size.dim_value for size in output.type.tensor_type.shape.dim)
    parts = {"boxes": 4, "scores": rows - 4}
    sizes = numpy_helper.from_array(np.array([*parts.values()]), "rows of each")
    whole.graph.initializer.append(sizes)
    columns = [f"{part} by column" for part in parts]
    whole.graph.node.append(helper.make_node("Split", [output.name, sizes.name], columns, name="parts", axis=1))
    del whole.graph.output[:]
    for part, size in parts.items():
        whole.graph.node.append(helper.make_node("Transpose", [f"{part} by column"], [part], name=part, perm=[0, 2, 1]))
        whole.graph.output.append(helper.make_tensor_value_info(part, TensorProto.FLOAT, (batch, boxes, size)))
    onnx.save(whole, to)


def with_corners(path: Path) -> None:
    """Let the output `boxes` hold corners in place of centre and size."""
    model = onnx.load(path)
    for node in model.graph.node:
        node.output[:] = ["by middle" if name == "boxes" else name for name in node.output]
    for name, array in {"two of each": np.array([2, 2]), "half": np.array(0.5, np.float32)}.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    corners = [
        helper.make_node("Split", ["by middle", "two of each"], ["middle", "size"], name="middle and size", axis=2),
        helper.make_node("Mul", ["size", "half"], ["arm"], name="arm"),
        helper.make_node("Sub", ["middle", "arm"], ["low"], name="low"),
        helper.make_node("Add", ["middle", "arm"], ["high"], name="high"),
        helper.make_node("Concat", ["low", "high"], ["boxes"], name="corners", axis=2),
    ]
    model.graph.node.extend(corners)
    onnx.save(model, path)


def _differences(first: dict[str, object], second: dict[str, object]) -> int:
    return sum(first[name] != second[name] for name in first)
