"""Which copy of an engine runs on which input, and how many copies fit a device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.objectives.latency.copies import Copies, copies_that_fit, inputs_of_copy


@dataclass
class Seen:
    """An engine that notes the input of each run."""

    inputs: list[int]
    runs: list[int] = field(default_factory=list)

    def run_once_ms(self, turn: int = 0) -> float:
        self.runs.append(self.inputs[turn % len(self.inputs)])
        return 1.0


def copies_on(count: int, copies: int) -> tuple[Copies, list[Seen]]:
    engines = [Seen(list(inputs_of_copy(range(count), copy, copies))) for copy in range(copies)]
    return Copies(tuple(cast("Any", engines))), engines


def test_copies_take_turns_and_see_the_images_in_turn() -> None:
    copies, engines = copies_on(64, 8)
    for turn in range(80):
        copies.run_once_ms(turn)
    assert [engine.runs for engine in engines] == [[*range(copy, 64, 8), copy, copy + 8] for copy in range(8)]


def test_the_first_has_all_inputs_and_the_others_those_of_their_turns() -> None:
    _, engines = copies_on(64, 8)
    assert [len(engine.inputs) for engine in engines] == [64, *[8] * 7]


@given(st.integers(1, 70), st.integers(1, 9), st.lists(st.integers(0, 500), min_size=1))
def test_two_engines_of_as_many_copies_see_one_input_at_each_turn(count: int, copies: int, turns: list[int]) -> None:
    (one, ones), (other, others) = copies_on(count, copies), copies_on(count, copies)
    for turn in turns:
        one.run_once_ms(turn)
        other.run_once_ms(turn)
    assert [engine.runs for engine in ones] == [engine.runs for engine in others]
    assert all(engine.inputs for engine in ones)


@pytest.mark.parametrize(
    ("before", "after", "fit"), [(80_000, 79_000, 8), (8_000, 6_500, 3), (2_000, 500, 1), (100, 100, 8), (90, 100, 8)]
)
def test_as_many_copies_are_loaded_as_take_half_of_what_is_free(before: int, after: int, fit: int) -> None:
    assert copies_that_fit(8, before=before, after=after) == fit
