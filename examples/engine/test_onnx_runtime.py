"""ONNX Runtime keeps the engine contract."""

from __future__ import annotations

import pytest

from contracts.engines import EngineContract
from qpareto.objectives.engines import EngineKind, engine_kind
from qpareto.search.study_file.engine_section import options_of_section


class TestOnnxRuntimeKind(EngineContract):
    @pytest.fixture
    def kind(self) -> EngineKind:
        return engine_kind("onnx_runtime")


def test_a_study_file_has_its_options_for_this_kind_alone() -> None:
    options = options_of_section({"kind": "onnx_runtime", "fuses": False})
    assert options.identity() == {"kind": "onnx_runtime", "batch": 1, "float_type": "fp32", "fuses": False}
    with pytest.raises(ValueError, match="openvino has no fuses, which is an option of onnx_runtime: leave it out"):
        options_of_section({"kind": "openvino", "fuses": False})
