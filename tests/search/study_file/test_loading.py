from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from qpareto.errors import StudyFileError
from qpareto.search.study_file.loading import load_study_file
from qpareto.search.study_file.spec import StudySpec

LEAST: dict[str, Any] = {
    "version": 1,
    "name": "small",
    "model": "m.onnx",
    "data": {"images": "images", "annotations": "a.json", "calibration": "calib"},
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(LEAST))
    return path


def _changed(study: Path, key: str, value: Any) -> Path:
    document = copy.deepcopy(LEAST)
    section = document
    *parents, last = key.split(".")
    for name in parents:
        section = section.setdefault(name, {})
    section[last] = value
    study.write_text(yaml.safe_dump(document))
    return study


def test_the_least_study_file_has_a_default_for_the_rest(study: Path) -> None:
    spec = load_study_file(study)
    assert spec.engine.kind == "openvino"
    assert spec.space.calibration.methods == ("mse", "entropy")
    assert spec.objectives == ("map50_95", "latency_ms")


def test_relative_paths_are_relative_to_the_file(study: Path) -> None:
    spec = load_study_file(study, ["storage=sqlite:///runs/study.db", "data.confirm={images: c, annotations: c.json}"])
    assert spec.model == study.parent / "m.onnx"
    assert spec.data.calibration == study.parent / "calib"
    assert spec.storage == f"sqlite:///{study.parent}/runs/study.db"
    assert spec.data.confirm is not None
    assert spec.data.confirm.images == study.parent / "c"


@pytest.mark.parametrize("url", ["sqlite:////abs/study.db", "postgresql+psycopg://u:p@host/db", "sqlite:///:memory:"])
def test_other_storages_stay_as_they_are(study: Path, url: str) -> None:
    assert load_study_file(_changed(study, "storage", url)).storage == url


def test_the_environment_is_read_where_a_value_asks_for_it(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETS", "/assets")
    assert load_study_file(_changed(study, "model", "${ASSETS}/m.onnx")).model == Path("/assets/m.onnx")
    monkeypatch.delenv("ASSETS")
    with pytest.raises(StudyFileError, match="ASSETS is not set"):
        load_study_file(study)
    assert load_study_file(study, ["model=/other.onnx"]).model == Path("/other.onnx")


def test_set_replaces_any_key(study: Path) -> None:
    spec = load_study_file(study, ["search.trials=7", "space.mask.keep_float=[model.0]", "data.limit=5"])
    assert (spec.search.trials, spec.space.mask.keep_float, spec.data.limit) == (7, ("model.0",), 5)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("serach.trials", 3, "unknown key 'serach': the nearest known one is 'search'"),
        ("search.trails", 3, "unknown key 'search.trails': the nearest known one is 'search.trials'"),
        (
            "data.confirm",
            {"imagse": "x", "annotations": "y"},
            "unknown key 'data.confirm.imagse'|'data.confirm.images' is",
        ),
        ("search.trials", "many", "'search.trials' .found 'many'."),
        ("search.trials", 0, "'search.trials' .found 0."),
        ("version", 2, "is of version 2, but this qpareto reads version 1"),
        ("engine.kind", "openvin", "the nearest is 'openvino'"),
        ("space.calibration.methods", ["minmax"], "'minmax' is none of max, entropy"),
        ("space.calibration.sizes", [8, 8], "stands twice"),
        ("objectives", ["map"], "the nearest is 'map50_95'"),
        ("data.yaml", "data.yaml", "name either `images` and `annotations`, or `yaml`"),
        ("data.annotations", None, "go together"),
        ("model", None, "'model'"),
        ("objectives", ["map50_95", "energy_mj"], "energy_mj is told by no openvino engine: leave it out"),
        ("search.sampler", "tpee", "'tpee' is none of .*random, an import path.*the nearest is 'tpe'"),
        ("search.sampler", "optunahub:", "'optunahub:' is none of"),
        (
            "search",
            {"sampler": "auto", "sampler_options": {"seed": 3}},
            "auto has no options: leave sampler_options out",
        ),
        ("search.warm_start", -1, "'search.warm_start' .found -1."),
        (
            "engine",
            {"workspace_mib": 64},
            "openvino has no workspace_mib, which is an option of tensorrt and",
        ),
        ("engine", {"kind": "tensorrt", "float_type": "fp16", "capability": "8.6"}, "tensorrt has no capability"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(study: Path, key: str, value: Any, said: str) -> None:
    with pytest.raises(StudyFileError, match=said) as caught:
        load_study_file(_changed(study, key, value))
    assert "\n" not in str(caught.value)


def test_a_calibration_method_that_the_kind_of_engine_cannot_run_is_refused(study: Path) -> None:
    overrides = ["space.calibration.methods=[asymmetric, mse]", "engine={kind: tensorrt, float_type: fp16}"]
    assert load_study_file(study, overrides[:1]).space.calibration.methods == ("asymmetric", "mse")
    with pytest.raises(StudyFileError, match=r"tensorrt takes no zero points, which .* asymmetric needs: use mse or"):
        load_study_file(study, overrides)


def test_a_missing_key_is_named(study: Path) -> None:
    study.write_text(yaml.safe_dump({k: v for k, v in LEAST.items() if k != "model"}))
    with pytest.raises(StudyFileError, match="'model' is missing"):
        load_study_file(study)


@pytest.mark.parametrize(
    ("text", "said"), [("a: [", "cannot be read as YAML"), ("- a", "not the keys"), ("\x00", "cannot be read")]
)
def test_what_is_no_study_file_is_refused(study: Path, text: str, said: str) -> None:
    study.write_text(text)
    with pytest.raises(StudyFileError, match=said):
        load_study_file(study)


def test_a_missing_study_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="There is no study file"):
        load_study_file(tmp_path / "absent.yaml")


@pytest.mark.parametrize("override", ["search.trials", "=3", "data.limit=["])
def test_an_override_that_is_none_is_refused(study: Path, override: str) -> None:
    with pytest.raises(StudyFileError, match="--set"):
        load_study_file(study, [override])


def test_yaml_cannot_make_objects(study: Path) -> None:
    study.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(StudyFileError, match="cannot be read as YAML"):
        load_study_file(study)


def test_the_json_schema_accepts_what_we_accept_and_refuses_what_we_refuse() -> None:
    import jsonschema

    schema = StudySpec.model_json_schema()
    jsonschema.validate(LEAST, schema)
    for wrong in ({**LEAST, "extra": 1}, {**LEAST, "version": 2}, {k: v for k, v in LEAST.items() if k != "data"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
