"""What a study is made with: kept and read again, and told where it has changed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.search.study.identity import FORMAT, Identity

ONE = Identity(
    model="abc",
    dataset="d",
    calibration_images="c",
    space="s",
    engine=OpenVinoOptions(threads=1).identity(),
    engine_recipe=2,
    device="A CPU",
    versions={"openvino": "1", "modelopt": "2"},
    objectives=("map50_95", "latency_ms"),
)
OF_0_1 = {"batch": 1, "threads": 1, "range_guard": True, "capability": None, "optimization_level": None}


def stored(identity: Identity) -> dict[str, Any]:
    """As a database gives it back."""
    told: dict[str, Any] = json.loads(json.dumps(identity.as_stored()))
    return told


def test_an_identity_is_read_as_it_was_written_and_tells_the_format() -> None:
    assert Identity.from_stored(stored(ONE)) == ONE
    assert (stored(ONE)["format"], stored(ONE)["calibration images"]) == (FORMAT, "c")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": "def"}, "the model differs"),
        ({"dataset": "e"}, "the evaluation images, their boxes or the classes that count differ"),
        ({"calibration_images": "e"}, "the calibration images differ"),
        ({"space": "e"}, "the search space differs (its layers, switches or calibrations)"),
        ({"device": "A GPU"}, "device was 'A CPU', now 'A GPU'"),
        ({"engine_recipe": 3}, "engine recipe was 2, now 3"),
        ({"versions": {"openvino": "1", "modelopt": "3"}}, "versions.modelopt was '2', now '3'"),
        ({"versions": {"openvino": "1"}}, "versions.modelopt was '2', now None"),
        ({"engine": OpenVinoOptions(threads=1, batch=8).identity()}, "engine.batch was 1, now 8"),
        ({"engine": OpenVinoOptions().identity()}, "engine.threads was 1, now 2"),
    ],
)
def test_a_fact_that_has_changed_is_told_with_both_values_and_a_hash_by_what_it_is_of(
    changed: dict[str, Any], said: str
) -> None:
    assert ONE.differences(replace(ONE, **changed)) == [said]
    assert ONE.differences(ONE) == []


def test_what_is_known_by_a_hash_is_told_by_the_keys_that_changed_it() -> None:
    keys: dict[str, Any] = {"space.calibration.sizes": [16, 32], "model": "/a/best.onnx", "data.limit": None}
    one, sizes = replace(ONE, keys=keys), keys | {"space.calibration.sizes": [16, 64]}
    other = Identity.from_stored(stored(replace(one, keys=sizes, calibration_images="e", space="t")))
    assert one.differences(other) == ["space.calibration.sizes was [16, 32], now [16, 64]"]
    moved = replace(one, keys=keys | {"model": "/b/best.onnx"})
    assert one.differences(moved) == [], "the same file elsewhere"
    assert one.differences(replace(moved, model="def")) == ["model was '/a/best.onnx', now '/b/best.onnx'"]
    assert one.differences(replace(one, model="def")) == ["the model differs"], "another file in its place"
    assert replace(ONE, keys={}).differences(replace(other, model="abc")) == [
        "the calibration images differ",
        "the search space differs (its layers, switches or calibrations)",
    ]


def test_engine_options_of_another_kind_and_defaults_that_0_1_wrote_are_no_difference() -> None:
    told = {name: value for name, value in stored(ONE).items() if name != "format"}
    before = Identity.from_stored(told | {"engine": OpenVinoOptions().identity() | OF_0_1})
    assert before.format == 1
    assert before.differences(ONE) == []
    assert before.differences(replace(ONE, engine=OpenVinoOptions().identity())) == ["engine.threads was 1, now 2"]


def test_a_fact_that_a_newer_program_told_is_kept_and_told() -> None:
    newer = Identity.from_stored(stored(ONE) | {"task": "segment"})
    assert newer.differences(ONE) == ["task was 'segment', now None"]
    assert stored(newer)["task"] == "segment"


def test_what_is_told_with_its_default_is_as_if_it_were_not() -> None:
    assert Identity.from_stored(stored(ONE) | {"engine recipe": 0}) == replace(ONE, engine_recipe=0)
    assert "engine recipe" not in stored(replace(ONE, engine_recipe=0))
