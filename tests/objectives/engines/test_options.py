"""Options by kind: what is not told, or not a kind's, decides nothing, today and for what older programs stored."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import pytest

from qpareto.errors import EngineError
from qpareto.objectives.engines import KINDS, EngineOptions, engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.engines.options import option
from qpareto.objectives.engines.tensorrt.options import TensorRtOptions
from qpareto.objectives.engines.tensorrt.rtx import RtxOptions
from qpareto.objectives.store import content_key

# As 0.1 wrote it into studies, and with `keep_fp32` into keys
OF_0_1 = {
    "kind": "openvino",
    "batch": 1,
    "float_type": "fp32",
    "threads": 1,
    "range_guard": True,
    "capability": None,
    "optimization_level": None,
    "workspace_mib": None,
    "build_route": None,
}


@dataclass(frozen=True, kw_only=True)
class TodaysOptions(EngineOptions):
    """Of a made-up kind."""

    kind: str = "made_up"
    cores: int = option(1, "cores")


@dataclass(frozen=True, kw_only=True)
class TomorrowsOptions(TodaysOptions):
    """The same kind in a later version."""

    tiles: tuple[str, ...] = option(("all",), "tiles")
    patience_s: float = option(3.0, "patience", decides=False)


def test_a_default_written_equals_one_left_out() -> None:
    assert OpenVinoOptions(threads=2).identity() == OpenVinoOptions().identity()
    assert "threads" not in OpenVinoOptions().identity()
    assert OpenVinoOptions(threads=3).identity()["threads"] == 3
    assert TensorRtOptions(tactic_sources=None).key() == TensorRtOptions().key()


def test_an_option_that_is_added_later_changes_no_key_and_no_identity() -> None:
    for told in ({}, {"cores": 4}, {"batch": 8, "float_type": "fp16"}):
        today, tomorrow = TodaysOptions(**told), TomorrowsOptions(**told)
        assert today.identity() == tomorrow.identity()
        assert content_key(options=today.key()) == content_key(options=tomorrow.key())
    other = TomorrowsOptions(tiles=("left",))
    assert other.identity() == TodaysOptions().identity() | {"tiles": ["left"]}


def test_what_decides_nothing_is_in_no_key() -> None:
    for name in KINDS:
        options = engine_kind(name).options(kind=name)
        patient = replace(options, shared_dir=Path("/x"), build_timeout_s=1.0, run_timeout_s=1.0)
        assert patient.key() == options.key()
    assert TomorrowsOptions(patience_s=9.0).key() == TomorrowsOptions().key()


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (OpenVinoOptions(threads=1), {}),
        (OpenVinoOptions(), {"threads": 2}),
        (OpenVinoOptions(), {"threads": 2, "range_guard": False, "workspace_mib": 256}),
        (TensorRtOptions(float_type="fp16"), {"kind": "tensorrt", "float_type": "fp16", "threads": 8}),
        (TensorRtOptions(range_guard=False), {"kind": "tensorrt", "range_guard": False}),
        (TensorRtOptions(tactic_sources=("cudnn",)), {"kind": "tensorrt", "tactic_sources": ["cudnn"]}),
        (TensorRtOptions(), {"kind": "tensorrt", "tactic_sources": None}),
        (RtxOptions(capability="8.9"), {"kind": "tensorrt_rtx", "capability": "8.9"}),
    ],
)
def test_what_0_1_stored_is_what_the_same_options_are_today(options: EngineOptions, changed: dict[str, object]) -> None:
    stored = json.loads(json.dumps(OF_0_1 | changed))
    assert options.as_now(stored) == options.identity()
    assert options.as_now(options.identity()) == options.identity()


def test_what_0_1_stored_of_other_options_is_not() -> None:
    assert OpenVinoOptions.as_now(OF_0_1) != OpenVinoOptions(threads=2).identity()
    assert TensorRtOptions.as_now(OF_0_1 | {"workspace_mib": 256}) != TensorRtOptions().identity()


def test_what_a_newer_program_stored_and_this_one_does_not_know_stays() -> None:
    stored = TomorrowsOptions(tiles=("left",)).identity()
    assert TodaysOptions.as_now(stored) != TodaysOptions().identity()


def test_engines_of_0_1_are_found_under_the_keys_of_today() -> None:
    assert OpenVinoOptions(threads=1).key() == OF_0_1 | {"keep_fp32": []}
    of_tensorrt = {"kind": "tensorrt", "float_type": "fp16", "workspace_mib": 256, "keep_fp32": ["/sum"], "threads": 2}
    options = TensorRtOptions(float_type="fp16", workspace_mib=256, keep_fp32=("/sum",))
    assert options.key() == OF_0_1 | of_tensorrt


@pytest.mark.parametrize("name", list(KINDS))
def test_a_kind_has_a_class_of_options_with_its_name(name: str) -> None:
    options = engine_kind(name).options
    assert options(kind=name).kind == {each.name: each.default for each in fields(options)}["kind"] == name
    assert json.loads(json.dumps(options(kind=name).identity())) == options(kind=name).identity()
    assert set(options(kind=name).identity()) == {"kind", "batch", "float_type"} < set(asdict(options(kind=name)))


def test_the_options_of_another_kind_are_refused_by_tensorrt(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="TensorRT for RTX cannot be built or run by the options of 'tensorrt'"):
        engine_kind("tensorrt_rtx").build(tmp_path / "g.onnx", tmp_path, TensorRtOptions(float_type="fp16"))
    with pytest.raises(EngineError, match="TensorRT cannot be built or run by the options of 'openvino'"):
        engine_kind("tensorrt").load(tmp_path, OpenVinoOptions())
