"""The self-test as a whole: every check tried, one failure at a time, and what cannot be tried told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from lock_turns import is_free, is_held
from networks import small_network
from qpareto.errors import EngineError, ModelError
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoKind, OpenVinoOptions
from qpareto.objectives.isolation.child import BugInChildError
from qpareto.objectives.isolation.lock import kernel_lock
from qpareto.objectives.latency.paired import LatencyBudget
from qpareto.objectives.promises import running, selftest
from qpareto.objectives.promises.built import Built
from qpareto.objectives.promises.check import Check, Untried, check_of_step
from qpareto.objectives.promises.selftest import FOR_BUILDING, FOR_RUNNING, in_child, self_test
from qpareto.objectives.promises.subject import Subject
from qpareto.objectives.store import Store
from qpareto.spaces.model import DetectorModel, read_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DetectorModel:
    return read_model(small_network(tmp_path_factory.mktemp("model") / "m.onnx"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def whole_run(model: DetectorModel, store: Store) -> Iterator[list[Check]]:
    """All checks of OpenVINO, timed for moments only, under device locks of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QPARETO_LOCK_DIR", str(store.root / "locks"))
        subject = "qpareto.objectives.promises.subject"
        patch.setattr(f"{subject}.BUDGET", LatencyBudget(min_pairs=20, max_pairs=20, warmup_seconds=0.1, repeats=0))
        patch.setattr(f"{subject}.PATIENCE_S", 0.0)
        yield list(self_test("openvino", model, store=store))


def test_openvino_keeps_the_whole_contract(whole_run: list[Check]) -> None:
    assert [check.name for check in whole_run] == [*FOR_BUILDING, *FOR_RUNNING]
    assert {check.engine for check in whole_run} == {"openvino"}
    other_programs_matter = "times the float engine against itself"
    assert [check for check in whole_run if check.outcome != "passed" and check.name != other_programs_matter] == []


def test_every_check_that_passed_tells_its_seconds_and_what_it_saw(whole_run: list[Check]) -> None:
    for check in whole_run:
        seconds, unit, *figures = check.detail.split(" ", 2)
        assert float(seconds) >= 0
        assert unit == "s,"
        assert figures


def test_what_rtx_cannot_run_here_it_builds_and_says_so(model: DetectorModel, store: Store) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX: pip install 'qpareto[tensorrt-rtx]'")
    reason = engine_kind("tensorrt_rtx").availability().reason
    if reason is None:
        pytest.skip("needs a machine that cannot run RTX")
    *built, rest = self_test("tensorrt_rtx", model, store=store)
    assert [(check.name, check.outcome) for check in built] == [(name, "passed") for name in FOR_BUILDING]
    assert rest == Check(engine="tensorrt_rtx", name="loads, runs and times engines", outcome="skipped", detail=reason)


def test_a_kind_that_cannot_build_here_is_one_skipped_check_with_its_reason(model: DetectorModel, store: Store) -> None:
    found = engine_kind("tensorrt").availability()
    if found.can_build:
        pytest.skip("needs a machine that cannot build with TensorRT")
    (check,) = self_test("tensorrt", model, store=store)
    assert (check.outcome, check.detail) == ("skipped", found.reason)


def test_a_model_whose_head_is_unknown_is_the_users_to_mend(model: DetectorModel, tmp_path: Path) -> None:
    shapeless = replace(model, output_shapes=((1, 7),))
    with pytest.raises(ModelError, match="no known head"):
        list(self_test("openvino", shapeless, store=Store(tmp_path)))


def test_a_broken_engine_fails_its_check_and_an_unbuilt_one_skips_it(model: DetectorModel, tmp_path: Path) -> None:
    subject = Subject(model=model, kind=engine_kind("openvino"), store=Store(tmp_path))
    subject.engines["INT8"] = Built(
        kind=subject.kind,
        options=OpenVinoOptions(threads=1),
        folder=tmp_path,
        onnx_path=model.path,
        input_shape=model.input_shape,
        pixels=tmp_path / "pixels.npy",
        store=subject.store,
    )
    broken = check_of_step("openvino", "loads", lambda: in_child(running.loads, "INT8")(subject))
    assert broken.outcome == "failed"
    assert "holds no OpenVINO engine" in broken.detail
    assert (tmp_path / "logs" / "openvino-INT8-loads.log").is_file()
    missing = check_of_step("openvino", "loads", lambda: in_child(running.loads, "float")(subject))
    assert (missing.outcome, missing.detail) == ("skipped", "the float engine did not build")


def test_a_promise_of_building_leaves_the_turn_at_the_kernels_to_its_build(
    model: DetectorModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As TensorRT builds: held from outside, that turn would never come."""
    monkeypatch.setattr(OpenVinoKind, "chooses_kernels", True)
    monkeypatch.setattr(OpenVinoKind, "times_kernels_alone", lambda _: True)
    device = OpenVinoKind().device_id()
    looks = iter([is_free, is_held])
    monkeypatch.setattr(selftest, "run_in_child", lambda *_, **__: str(next(looks)(kernel_lock(device))))
    subject = Subject(model=model, kind=engine_kind("openvino"), store=Store(tmp_path))
    subject.engines["INT8"] = cast("Built", object())
    assert in_child(running.loads, "INT8", builds=True)(subject) == "True"
    assert in_child(running.loads, "INT8")(subject) == "True"


def test_only_what_breaks_a_candidate_or_its_child_process_is_a_check_that_fails() -> None:
    def step(error: Exception) -> str:
        raise error

    assert check_of_step("any", "breaks", lambda: step(EngineError("It broke."))).detail == "It broke."
    assert check_of_step("any", "slips", lambda: step(BugInChildError("A slip."))).detail == "A slip."
    assert check_of_step("any", "waits", lambda: step(Untried("not here"))).outcome == "skipped"
    with pytest.raises(ZeroDivisionError):
        check_of_step("any", "is a bug", lambda: step(ZeroDivisionError()))
