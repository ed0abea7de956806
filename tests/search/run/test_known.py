"""What a search knows before its first trial, measured on the small study's real model."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from qpareto.errors import EngineError
from qpareto.objectives.clock import Clock
from qpareto.search.run import known
from qpareto.search.run.known import graph_of_study, warm_start
from qpareto.search.run.prepare import scorer_of_spec, space_of_spec
from qpareto.search.study_file.loading import load_study_file
from qpareto.spaces.candidate import Candidate

OBJECTIVES = ("map50_95", "latency_ms")


def test_every_switch_has_its_edges_its_block_and_what_it_is_expected_to_do(study_file: Path) -> None:
    spec = load_study_file(study_file)
    scorer = scorer_of_spec(spec)
    space = space_of_spec(spec, scorer.layers)
    graph = graph_of_study(scorer, space, OBJECTIVES)
    assert graph.switches == tuple(space.groups)
    assert len(graph.edges) == 11  # those of the network, see tests/spaces/test_layers.py
    assert [len(block) for block in graph.blocks] == [1, 2, 1, 1, 2]
    of_map, of_latency = graph.effects
    assert of_map.keys() == of_latency.keys() == set(graph.switches)
    assert all(effect <= 0 for effect in of_map.values())  # INT8 adds no accuracy
    assert any(effect < 0 for effect in of_map.values())
    assert any(effect != 0 for effect in of_latency.values())
    assert graph_of_study(scorer, space, OBJECTIVES) == graph  # measured once, and kept


def test_a_block_has_the_sum_of_its_layers(study_file: Path) -> None:
    by_layer, by_block = load_study_file(study_file), load_study_file(study_file, ["space.mask.groups=block"])
    scorer = scorer_of_spec(by_layer)
    layers = graph_of_study(scorer, space_of_spec(by_layer, scorer.layers), OBJECTIVES)
    blocks = graph_of_study(scorer, space_of_spec(by_block, scorer.layers), OBJECTIVES)
    assert blocks.switches is not None
    assert len(blocks.switches) == 5
    assert all(a != b for a, b in blocks.edges)
    for of_layers, of_blocks in zip(layers.effects, blocks.effects, strict=True):
        assert sum(of_blocks.values()) == pytest.approx(sum(of_layers.values()))


def test_where_layers_cannot_be_timed_the_search_starts_without_and_says_so(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def untold(self: Clock, *arguments: object) -> None:
        raise EngineError("This kind does not tell of its layers.")

    monkeypatch.setattr(Clock, "layer_times", untold)
    spec = load_study_file(study_file, [f"cache={tmp_path / 'cache'}"])
    scorer = scorer_of_spec(spec)
    with caplog.at_level(logging.WARNING):
        graph = graph_of_study(scorer, space_of_spec(spec, scorer.layers), OBJECTIVES)
    assert set(graph.effects[1].values()) == {0}
    assert "starts without what each layer saves: This kind does not tell of its layers." in caplog.text


def test_the_search_starts_with_masks_of_the_space_which_a_resumed_run_finds_again(
    study_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = load_study_file(study_file)
    scorer = scorer_of_spec(spec)
    space = space_of_spec(spec, scorer.layers)
    graph = graph_of_study(scorer, space, OBJECTIVES)
    found = warm_start(scorer, space, graph, OBJECTIVES, count=3)
    assert found
    assert len({candidate.mask for candidate in found}) == len(found) <= 3
    assert all(space.accepts(candidate) for candidate in found)
    assert warm_start(scorer, space, graph, OBJECTIVES, count=3) == found
    everything = Candidate(space.usual, space.searched)
    assert found[0] == everything
    assert everything not in warm_start(scorer, space, graph, OBJECTIVES, count=3, measured=[everything])
    assert capfd.readouterr().out == ""  # stdout is for results


def test_without_harm_or_time_to_predict_from_the_search_starts_without_and_says_so(
    study_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec = load_study_file(study_file)
    scorer = scorer_of_spec(spec)
    space = space_of_spec(spec, scorer.layers)
    graph = graph_of_study(scorer, space, OBJECTIVES)
    with caplog.at_level(logging.INFO):
        assert warm_start(scorer, space, graph, ("map50_95", "engine_bytes"), count=3) == ()
        assert "needs the objectives map50_95 and latency_ms" in caplog.text
        assert warm_start(scorer, space, replace(graph, effects=({}, {})), OBJECTIVES, count=3) == ()
        assert "starts with 0 of 3 masks" in caplog.text
        monkeypatch.setattr(known, "WARM_START_TIMEOUT_S", 0.01)
        assert warm_start(scorer, space, graph, OBJECTIVES, count=3) == ()
        assert "starts without a predicted front: The step 'predicted front' did not end within" in caplog.text
