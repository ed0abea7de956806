from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.errors import ModelError, QParetoError
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.layers import Layer
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.space import Space, space_of_layers

NAMES = [f"/model.{block}/cv{i}/conv/Conv" for block in range(4) for i in range(3)]
RECORDED = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "recorded"
LAYERS = tuple(Layer(name=n, op="Conv", block=n.split("/")[1], macs=1, weights=1) for n in NAMES)


def _space(groups: Literal["layer", "block"] = "layer", **kwargs: object) -> Space:
    return space_of_layers(LAYERS, methods=["max", "entropy"], sizes=[8, 16], groups=groups, **kwargs)  # type: ignore[arg-type]


@given(st.data())
def test_every_candidate_of_the_space_is_read_back_from_its_parameters(data: st.DataObject) -> None:
    space = replace(
        _space(data.draw(st.sampled_from(["layer", "block"])), keep_float=["model.2"]),
        bias_correction=data.draw(st.sampled_from([(False,), (True,), (False, True)])),
    )
    params = {name: data.draw(st.sampled_from(d.choices)) for name, d in space.distributions().items()}  # type: ignore[attr-defined]
    candidate = space.candidate(params)
    assert space.params(candidate) == params
    assert space.accepts(candidate)
    assert not set(candidate.mask) & {name for name in NAMES if "model.2" in name}


def test_biases_are_a_parameter_only_where_both_ways_are_to_be_tried() -> None:
    always, both = (replace(_space(), bias_correction=ways) for ways in ((True,), (False, True)))
    assert "calibration.bias_correction" not in always.distributions()
    assert {choice.bias_correction for choice in always.calibrations} == {True}
    params = {name: d.choices[-1] for name, d in both.distributions().items()}  # type: ignore[attr-defined]
    assert both.candidate(params).calibration == CalibrationChoice("entropy", 16, bias_correction=True)
    assert both.candidate(params | {"calibration.bias_correction": False}).calibration == CalibrationChoice(
        "entropy", 16
    )


@pytest.mark.parametrize("name", ["yolo11n-coco-cpu", "yolov5n-coco-cpu"])
def test_words_and_parameters_of_real_studies_are_read_and_written_as_they_were(name: str) -> None:
    told = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    offered = {parameter: of["attributes"]["choices"] for parameter, of in told["space"].items()}
    switches = [parameter for parameter in offered if not parameter.startswith("calibration.")]
    space = Space(
        layers=tuple(told["layers"]),
        groups={switch: (layer,) for switch, layer in zip(switches, told["layers"], strict=True)},
        methods=tuple(offered["calibration.method"]),
        sizes=tuple(offered["calibration.size"]),
        bias_correction=(True,),
    )
    assert {parameter: list(of.choices) for parameter, of in space.distributions().items()} == offered  # type: ignore[attr-defined]
    quantized = (trial for trial in told["trials"] if " INT8 " in trial["attributes"]["candidate"])
    trials = [trial for trial in quantized if trial["params"]]  # baselines, whose biases stay, lie outside of the space
    assert len(trials) == 35
    for trial in trials:
        written = trial["attributes"]["candidate"]
        choice, word = written.split()[0], written.split()[-1]
        mask = LayerMask.from_word(space.layers, word.upper())
        candidate = Candidate(CalibrationChoice.parse(choice), mask)
        params = {each: offered[each][chosen] for each, chosen in zip(offered, trial["params"], strict=True)}
        assert (space.params(candidate), str(candidate), mask.word) == (params, written, word)


def test_switches_are_numbered_in_network_order_and_named_shortly() -> None:
    assert list(_space().groups)[:2] == ["000 model.0.cv0", "001 model.0.cv1"]
    assert list(_space("block").groups) == [f"00{i} model.{i}" for i in range(4)]


def test_names_that_repeat_their_parents_are_shortened() -> None:
    layer = Layer(name="/model.23/cv3.0/cv3.0.1/cv3.0.1.0/conv/Conv", op="Conv", block="model.23", macs=1, weights=1)
    assert list(space_of_layers([layer], methods=["max"], sizes=[1]).groups) == ["000 model.23.cv3.0.1.0"]


def test_layers_whose_short_names_meet_keep_switches_of_their_own() -> None:
    twins = [Layer(name=n, op="Conv", block="a", macs=1, weights=1) for n in ("/a/conv/Conv", "/a/Conv")]
    assert list(space_of_layers(twins, methods=["max"], sizes=[1]).groups.values()) == [
        ("/a/conv/Conv",),
        ("/a/Conv",),
    ]


def test_only_the_named_layers_are_searched() -> None:
    space = _space(only=["model.1", ".*cv0/conv/Conv$"])
    assert set(space.searched) == {n for n in NAMES if "model.1/" in n or "cv0" in n}


def test_candidates_outside_the_space_are_refused() -> None:
    space, by_block = _space(keep_float=["model.0"]), _space("block")
    whole, half = LayerMask.all(NAMES), LayerMask.from_names(NAMES, NAMES[:1])
    max8 = CalibrationChoice("max", 8)
    assert not space.accepts(Candidate(max8, whole))
    assert not by_block.accepts(Candidate(max8, half))
    assert not by_block.accepts(Candidate(CalibrationChoice("max", 9), whole))
    assert by_block.accepts(Candidate(max8, whole))


def test_a_space_with_nothing_to_search_is_refused() -> None:
    with pytest.raises(ModelError, match="no layer to search"):
        _space(keep_float=["model.*"])
    with pytest.raises(QParetoError, match="not one of"):
        space_of_layers(LAYERS, methods=["minmax"], sizes=[8])
