from __future__ import annotations

import pytest

from made_up_trials import measured, results_of, trial, typical_results
from qpareto.search.results.study_results import Results
from qpareto.search.show.terminal.scatter import HEIGHT, plot_of_results


def drawn(results: Results, width: int = 80) -> list[str]:
    plot = plot_of_results(results, width=width)
    assert plot is not None
    return plot.plain.splitlines()


def test_every_kind_of_point_has_its_own_character_and_is_explained() -> None:
    lines = drawn(typical_results())
    plot = "\n".join(lines[1 : HEIGHT + 1])
    assert plot.count("o") == 3  # trials 5, 4 and 3, which is bf16; the fourth of the front is the reference
    assert plot.count("*") == 1
    assert plot.count("x") == 1  # modelopt-max and ultralytics are one engine
    assert lines[-1].split() == ["o", "front", "x", "baseline", "*", "reference", ".", "measured"]


def test_the_corners_are_the_extremes_of_what_is_framed() -> None:
    best, reference = measured(0.39, 0.5), measured(0.4, 1.0, int8_layers=(), mask="0")
    lines = drawn(results_of(trial(0, reference, baseline="float"), trial(1, best)))
    assert lines[1].startswith("   0.4000 |")
    assert lines[1].endswith("*")
    assert lines[HEIGHT].startswith("   0.3900 |o")
    assert lines[HEIGHT + 2].strip().startswith("10.00")
    assert lines[HEIGHT + 2].endswith("20.00 ms")


def test_a_hopeless_trial_does_not_squeeze_the_others() -> None:
    reference = trial(0, measured(0.4, 1.0, int8_layers=(), mask="0"))
    hopeless = trial(2, measured(0.01, 1.5))
    assert drawn(results_of(reference, trial(1, measured(0.39, 0.5)), hopeless)) == drawn(
        results_of(reference, trial(1, measured(0.39, 0.5)))
    )


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_is_as_wide_as_the_window(width: int) -> None:
    lines = drawn(typical_results(), width)
    assert max(map(len, lines[:-1])) == width


def test_one_point_is_drawn_and_nothing_where_there_is_none_or_no_room() -> None:
    assert any("*" in line for line in drawn(results_of(trial(0, measured(0.4, 1.0, int8_layers=(), mask="0")))))
    assert plot_of_results(results_of(trial(0, None)), width=80) is None
    assert plot_of_results(typical_results(), width=39) is None
