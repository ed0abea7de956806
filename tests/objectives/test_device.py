"""Whether the device is still there, as a fresh process sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qpareto.errors import CandidateError, DeviceError
from qpareto.objectives.device import Device
from qpareto.objectives.engines import EngineOptions, engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.store import Store


@pytest.mark.parametrize("kind", ["tensorrt", "tensorrt_rtx"])
def test_a_gpu_that_is_not_there_stops_the_worker_with_the_reason(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # as if the one that this process knows were gone
    device = Device(EngineOptions(kind=kind, float_type="fp16"), Store(tmp_path))
    with pytest.raises(DeviceError, match=rf"^{kind} can no longer run here, so this worker stops\. .+\.$") as failure:
        device.refuse_if_gone()
    assert not isinstance(failure.value, CandidateError)  # it fails no trial


def test_the_processor_is_never_gone(tmp_path: Path) -> None:
    Device(OpenVinoOptions(), Store(tmp_path)).refuse_if_gone()
    assert not (tmp_path / "logs").exists()


@pytest.mark.gpu
@pytest.mark.skipif(not engine_kind("tensorrt").availability().can_run, reason="needs TensorRT and an NVIDIA GPU")
def test_a_gpu_that_answers_is_not_gone(tmp_path: Path) -> None:
    Device(EngineOptions(kind="tensorrt", float_type="fp16"), Store(tmp_path)).refuse_if_gone()
