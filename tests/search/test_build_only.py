"""`measure --build-only`: an engine for any mask on a machine that cannot run it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from qpareto.errors import QuantizationError, StudyError, StudyFileError
from qpareto.objectives.engines import engine_kind
from qpareto.search.api import build_candidate, measure_candidate
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec

pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX: pip install 'qpareto[tensorrt-rtx]'")


@pytest.fixture
def spec(study_file: Path) -> StudySpec:
    return load_study_file(study_file, ["engine={kind: tensorrt_rtx, float_type: fp16, capability: '8.6'}"])


def test_it_leaves_the_engine_and_the_graph_that_it_was_built_from(spec: StudySpec, tmp_path: Path) -> None:
    built = build_candidate(spec, mask="all", calibration="max:2", keep=tmp_path / "kept")
    assert built["engine"] == "tensorrt_rtx"
    assert built["int8_layers"]
    assert built["engine_bytes"] == (tmp_path / "kept" / "engine" / "engine.plan").stat().st_size
    assert (tmp_path / "kept" / "quantized.onnx").is_file()


def test_it_builds_for_a_larger_batch_what_was_exported_for_one_image(study_file: Path, tmp_path: Path) -> None:
    spec = load_study_file(study_file, ["engine={kind: tensorrt_rtx, float_type: fp16, capability: '8.6', batch: 8}"])
    built = build_candidate(spec, mask="all", calibration="max:2", keep=tmp_path / "kept")
    assert built["engine_bytes"] > 0
    (port,) = onnx.load(tmp_path / "kept" / "quantized.onnx").graph.input
    assert port.type.tensor_type.shape.dim[0].dim_value == 8


def test_a_calibration_that_needs_zero_points_is_refused(spec: StudySpec) -> None:
    with pytest.raises(QuantizationError, match="takes no zero points, which the calibration method asymmetric needs"):
        build_candidate(spec, mask="all", calibration="asymmetric:2")


def test_a_folder_that_is_there_is_left_alone(spec: StudySpec, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="is there already"):
        build_candidate(spec, mask="none", keep=tmp_path)


@pytest.mark.skipif(engine_kind("tensorrt_rtx").availability().can_run, reason="needs a machine that cannot run RTX")
def test_measuring_where_engines_cannot_run_is_refused_before_anything_is_built(spec: StudySpec) -> None:
    with pytest.raises(StudyFileError, match=r"engine\.kind=tensorrt_rtx cannot run here\. Engines can be built"):
        measure_candidate(spec, mask="none")
