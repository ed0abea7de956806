"""Models exported for one image, measured at batches that only their engines have."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from command_line import qpareto
from qpareto.search.api import measure_candidate
from qpareto.search.study_file.loading import load_study_file


def test_batches_share_calibration_and_graph_and_score_alike(study_file: Path, tmp_path: Path) -> None:
    found = {}
    for batch in (1, 2, 8):
        spec = load_study_file(study_file, [f"engine.batch={batch}", f"cache={tmp_path / 'cache'}"])
        found[batch] = measure_candidate(spec, mask="all", calibration="max:2", keep=tmp_path / str(batch))
    one, two, eight = found.values()
    assert [measurement.engine.batch for measurement in found.values()] == [1, 2, 8]
    assert one.engine.graph_hash == two.engine.graph_hash == eight.engine.graph_hash
    assert len(list((tmp_path / "cache" / "calibrated").glob("[!.]*"))) == 2  # this choice, and the structure
    assert one.timing.median_ms < eight.timing.median_ms
    for batch, measurement in found.items():
        assert measurement.accuracy.value == pytest.approx(one.accuracy.value, abs=0.02)
        (port,) = onnx.load(tmp_path / str(batch) / "quantized.onnx").graph.input
        assert port.type.tensor_type.shape.dim[0].dim_value == batch
        assert qpareto("verify", tmp_path / str(batch), "--quick").code == 0


def test_the_quickstarts_detector_scores_at_a_larger_batch_what_it_scores_at_one(
    shapes_study: Path, tmp_path: Path
) -> None:
    alone = json.loads(qpareto("front", shapes_study, "--all", "--json").out)
    spec = load_study_file(shapes_study, ["engine.batch=2"])
    together = measure_candidate(spec, mask="all", calibration="max:4", keep=tmp_path / "kept")
    (expected,) = (point["map50_95"] for point in alone if point["baseline"] == "modelopt-max")
    assert together.accuracy.value == pytest.approx(expected, abs=0.01)
    assert expected > 0.3
    assert together.engine.parity is not None
    assert together.engine.parity.boxes > 0
    assert together.engine.parity.images == 8
