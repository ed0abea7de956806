"""Whether the device is still there, as a fresh process sees it, and who may use it beside a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from lock_turns import had
from qpareto.errors import CandidateError, DeviceError
from qpareto.objectives.device import Device
from qpareto.objectives.engines import EngineOptions, engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoKind, OpenVinoOptions
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


@pytest.mark.parametrize(
    ("chooses", "times_alone", "side_by_side"), [(False, False, True), (True, True, True), (True, False, False)]
)
def test_builds_go_on_side_by_side_unless_they_choose_kernels_and_do_not_time_them_alone(
    chooses: bool, times_alone: bool, side_by_side: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QPARETO_LOCK_DIR", str(tmp_path / "locks"))
    monkeypatch.setattr(OpenVinoKind, "chooses_kernels", chooses)
    monkeypatch.setattr(OpenVinoKind, "times_kernels_alone", lambda kind: times_alone)
    device = Device(OpenVinoOptions(), Store(tmp_path))
    with device.building():
        another = had(device.building())
        assert another.wait(60 if side_by_side else 0.3) is side_by_side
    assert another.wait(60)


@pytest.mark.gpu
@pytest.mark.skipif(not engine_kind("tensorrt").availability().can_run, reason="needs TensorRT and an NVIDIA GPU")
def test_a_gpu_that_answers_is_not_gone(tmp_path: Path) -> None:
    Device(EngineOptions(kind="tensorrt", float_type="fp16"), Store(tmp_path)).refuse_if_gone()
