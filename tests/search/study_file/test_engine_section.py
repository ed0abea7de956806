from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from command_line import refusal
from qpareto.objectives.engines import EngineOptions
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.engines.tensorrt.options import TensorRtOptions
from qpareto.search.study_file.engine_section import EngineSection, StoredOptions, kinds_of_option
from qpareto.search.study_file.spec import StudySpec


class Read(BaseModel):
    engine: EngineSection


class Kept(BaseModel):
    engine: StoredOptions


@pytest.mark.parametrize(
    ("told", "options"),
    [
        ({}, OpenVinoOptions()),
        ({"threads": 3}, OpenVinoOptions(threads=3)),
        (
            {"kind": "tensorrt", "float_type": "fp16", "batch": 2, "tactic_sources": ["cudnn"], "build_timeout_s": 5},
            TensorRtOptions(float_type="fp16", batch=2, tactic_sources=("cudnn",), build_timeout_s=5.0),
        ),
    ],
)
def test_a_section_is_options_of_the_kind_that_it_names(told: dict[str, object], options: EngineOptions) -> None:
    assert Read.model_validate({"engine": told}).engine == options


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("engine.workspace_mib=256", "'engine': openvino has no workspace_mib, which is an option of tensorrt and"),
        ("engine.capability='8.9'", "openvino has no capability, which is an option of tensorrt_rtx: leave it out"),
        (
            "engine={kind: tensorrt, threads: 2}",
            "tensorrt has no threads, which is an option of openvino",
        ),
        ("engine.thread=2", "'thread' is none of kind, batch, float_type"),
        ("engine.thread=2", "the nearest is 'threads'"),
        ("engine.threads=0", "'engine.threads' (found 0): input should be greater than or equal to 1"),
        ("engine.threads=many", "'engine.threads' (found 'many')"),
        ("engine.batch=0", "'engine.batch' (found 0)"),
        ("engine.shared_dir=/tmp", "'shared_dir' is none of"),
        ("engine={kind: tensorrt, keep_fp32: [a]}", "'keep_fp32' is none of"),
        ("engine={kind: tensorrt, optimization_level: 6}", "'engine.optimization_level' (found 6)"),
        ("engine.kind=[1]", "is none of openvino"),
        ("engine=fast", "'engine' (found 'fast'): it holds keys, such as `kind`"),
    ],
)
def test_what_a_kind_does_not_have_is_refused_in_a_sentence(study_file: Path, told: str, said: str) -> None:
    assert said in refusal(study_file, told)


def test_the_schema_names_every_option_and_the_kinds_that_have_it() -> None:
    schema = StudySpec.model_json_schema()["properties"]["engine"]
    assert schema["properties"].keys() == kinds_of_option().keys()
    assert schema["properties"]["threads"] == {
        "default": 2,
        "description": "CPU threads of one inference (openvino)",
        "minimum": 1,
        "title": "Threads",
        "type": "integer",
    }
    assert schema["properties"]["workspace_mib"]["description"].endswith("(tensorrt, tensorrt_rtx)")
    assert not schema["properties"]["batch"]["description"].endswith(")")
    assert schema["properties"]["kind"]["enum"] == ["openvino", "tensorrt", "tensorrt_rtx"]


def test_what_is_stored_is_read_back_whole_also_what_0_1_stored_for_every_kind() -> None:
    options = TensorRtOptions(float_type="fp16", keep_fp32=("/sum",), shared_dir=Path("/x"))
    stored = Kept(engine=options).model_dump(mode="json")
    assert stored["engine"].keys() == asdict(options).keys()
    assert Kept.model_validate(stored).engine == options
    stored["engine"] |= {"threads": 2, "capability": None}
    assert Kept.model_validate(stored).engine == options


def test_what_a_newer_program_stored_is_refused() -> None:
    stored = Kept(engine=OpenVinoOptions()).model_dump(mode="json")
    stored["engine"]["tiles"] = ["left"]
    with pytest.raises(ValidationError):
        Kept.model_validate(stored)
