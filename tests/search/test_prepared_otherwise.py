"""The quickstart's detector made into one as YOLOX's: other channels and values, boxes to be decoded; the whole way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from command_line import qpareto, refusal
from shapes_study import shapes_study

SIZE, CLASSES = 320, 12


@pytest.fixture
def undecoded(shapes: Path, tmp_path: Path) -> Path:
    """The same weights behind an input of BGR from 0 to 255, their boxes in cells and logarithms, objectness 1."""
    model = onnx.load(shapes / "model.onnx")
    graph: Any = model.graph
    (image,), (output,) = graph.input, graph.output
    grids = [np.indices((SIZE // stride,) * 2)[::-1].reshape(2, -1).T for stride in (8, 16, 32)]
    places = np.concatenate(grids)[None].astype(np.float32)
    strides = np.repeat([8, 16, 32], [len(grid) for grid in grids])[None, :, None]

    def constant(name: str, value: NDArray[Any]) -> str:
        graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    for node in graph.node:
        node.input[:] = ["prepared" if name == image.name else name for name in node.input]
    before = [
        helper.make_node("Gather", [image.name, constant("order", np.array([2, 1, 0]))], ["rgb"], "/order", axis=1),
        helper.make_node("Div", ["rgb", constant("most", np.array(255, np.float32))], ["prepared"], "/scale"),
    ]
    for node in reversed(before):
        graph.node.insert(0, node)
    parts = constant("parts", np.array([2, 2, CLASSES]))
    graph.node.extend(
        [
            helper.make_node("Transpose", [output.name], ["rows"], "/rows", perm=[0, 2, 1]),
            helper.make_node("Split", ["rows", parts], ["xy", "wh", "scores"], "/split", axis=2),
            helper.make_node("Div", ["xy", constant("strides", strides.astype(np.float32))], ["in_cells"], "/cells"),
            helper.make_node("Sub", ["in_cells", constant("grid", places)], ["offsets"], "/offsets"),
            helper.make_node("Div", ["wh", "strides"], ["sides"], "/sides"),
            helper.make_node("Log", ["sides"], ["logarithms"], "/log"),
            helper.make_node(
                "Concat",
                ["offsets", "logarithms", constant("sure", np.ones((1, 2100, 1), np.float32)), "scores"],
                ["raw"],
                "/raw",
                axis=2,
            ),
        ]
    )
    graph.output[0].CopyFrom(helper.make_tensor_value_info("raw", onnx.TensorProto.FLOAT, [1, 2100, 5 + CLASSES]))
    onnx.checker.check_model(model)
    onnx.save(model, tmp_path / "undecoded.onnx")
    return tmp_path / "undecoded.onnx"


def test_the_same_weights_find_the_same_however_they_take_images_and_give_boxes(
    shapes: Path, undecoded: Path, tmp_path: Path
) -> None:
    study = shapes_study(
        shapes,
        tmp_path,
        space={"calibration": {"methods": ["max"], "sizes": [4]}},
        latency={"ci_width": 0.2, "max_seconds": 0.3, "max_wait_s": 0},
    )
    words = ("--mask", "all", "--calibration", "max:4", "--json")
    usual = json.loads(qpareto("measure", study, *words).out)
    as_yolox = ("--set", f"model={undecoded}", "--set", "head=yolox")
    other = json.loads(qpareto("measure", study, *words, *as_yolox, "--keep", tmp_path / "kept").out)
    assert other["map50_95"] == pytest.approx(usual["map50_95"], abs=0.01)
    assert other["map50_95"] > 0.5
    assert "BGR, 0 to 255, letterboxed from the top left corner" in (tmp_path / "kept" / "README.md").read_text()

    said = refusal(study, f"model={undecoded}", "head=yolov5")
    assert "so set head: yolox" in said, "which is tried where the head that was named finds nothing"

    lines = qpareto("verify", tmp_path / "kept").out.splitlines()
    outcomes = {line.split()[1]: line.split()[0] for line in lines}
    assert (outcomes["parity:"], outcomes["accuracy:"]) == ("passed", "passed")
