"""Models as people have them, the whole way: measured as the plain one is, exported and verified."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from command_line import qpareto
from networks import SIZE
from odd_models import nameless, of_any_size, with_constants, with_data_beside
from qpareto.objectives.measurement import Measurement
from qpareto.objectives.quantization.batch import with_batch
from qpareto.search.api import measure_candidate
from qpareto.search.study_file.loading import load_study_file

Write = Callable[[Any, Path], Any]
ODD: dict[str, Write] = {
    "constants": lambda model, path: onnx.save(with_constants(model), path),
    "data beside": with_data_beside,
    "no names": lambda model, path: onnx.save(nameless(model), path),
    "batch 8": lambda model, path: onnx.save(with_batch(model, 8), path),
}


@pytest.fixture(scope="module")
def plain(finished_study: Path, assets: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Measurement, Path]:
    """The plain model with all layers in INT8, and its export."""
    export = tmp_path_factory.mktemp("plain") / "export"
    return measured(finished_study, assets / "model.onnx", export), export


def measured(study_file: Path, model: Path, export: Path) -> Measurement:
    spec = load_study_file(study_file, [f"model={model}", f"imgsz={SIZE}"])
    return measure_candidate(spec, mask="all", calibration="entropy:4", keep=export)


def manifest_of(export: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((export / "manifest.json").read_text())
    return told


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_model_has_the_plain_ones_scales_map_and_layers_that_ran_and_its_export_is_verified(
    assets: Path, study_file: Path, tmp_path: Path, plain: tuple[Measurement, Path], kind: str
) -> None:
    """Scales are a part of the graph's hash, and so is every weight."""
    odd, export = tmp_path / "best.onnx", tmp_path / "export"
    ODD[kind](onnx.load(assets / "model.onnx"), odd)
    expected, same = plain[0], measured(study_file, odd, export)
    assert same.engine.int8_ran == expected.engine.int8_ran == len(same.engine.int8_layers)
    assert same.accuracy.value == expected.accuracy.value
    if kind != "batch 8":  # whose Reshape tells all its sizes
        assert same.engine.graph_hash == expected.engine.graph_hash
        assert same.engine.key == expected.engine.key, "one engine, whatever its layers are called"
    manifest = manifest_of(export)
    assert manifest["calibration"] == manifest_of(plain[1])["calibration"], "its scales among it"
    assert manifest["model"]["file"] == "best.onnx"
    assert manifest["model"]["hash"] == same.provenance.model_hash != expected.provenance.model_hash
    if kind in ("data beside", "batch 8"):
        assert qpareto("verify", export, "--quick").code == 0


def test_layers_of_a_model_of_any_size_are_those_at_the_studys_imgsz(
    assets: Path, study_file: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "odd.onnx"
    onnx.save(of_any_size(onnx.load(assets / "model.onnx")), odd)
    arguments = ("layers", study_file, "--json", "--set", f"model={odd}")
    assert "takes images of any size" in qpareto(*arguments).sentence
    macs = {}
    for imgsz in ("64", "[128, 64]"):
        told = qpareto(*arguments, "--set", f"imgsz={imgsz}")
        assert told.code == 0, told
        macs[imgsz] = [layer["macs"] for layer in json.loads(told.out)]
    assert macs["[128, 64]"] == [2 * count for count in macs["64"]]


def test_a_height_that_is_no_multiple_of_32_is_calibrated_built_and_scored(
    assets: Path, study_file: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "odd.onnx"
    onnx.save(of_any_size(onnx.load(assets / "model.onnx")), odd)
    spec = load_study_file(study_file, [f"model={odd}", "imgsz=[60, 72]"])
    found = measure_candidate(spec, mask="all", calibration="max:2", keep=tmp_path / "export")
    assert found.engine.int8_ran == 7
    assert found.engine.parity is not None
    assert manifest_of(tmp_path / "export")["model"]["input_shape"] == [1, 3, 60, 72]
