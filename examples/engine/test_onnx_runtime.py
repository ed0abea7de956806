"""ONNX Runtime keeps the engine contract."""

from __future__ import annotations

import pytest

from contracts.engines import EngineContract
from qpareto.objectives.engines import EngineKind, engine_kind


class TestOnnxRuntimeKind(EngineContract):
    @pytest.fixture
    def kind(self) -> EngineKind:
        return engine_kind("onnx_runtime")
