from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from made_up_trials import measured, results_of, trial, view_of
from qpareto.search.show.headline import headline
from qpareto.search.show.plots import front_figure, fronts_figure
from qpareto.search.show.plots.files import write_html
from qpareto.search.show.view import StudyView
from recorded_study import recorded_view


def traces(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data}


def numbers(trace: Any) -> list[int]:
    return [row[0] for row in trace.customdata]


def test_every_point_is_drawn_in_the_trace_that_it_belongs_to(view: StudyView) -> None:
    found = traces(front_figure(view))
    assert numbers(found["front"]) == [point.trial for point in view.results.front]
    assert numbers(found["reference (no INT8)"]) == [0]
    assert [name for name in found if name in ("modelopt-max", "modelopt-entropy", "ultralytics", "bf16")] == [
        *("modelopt-max", "modelopt-entropy", "ultralytics", "bf16")
    ]
    assert numbers(found["stopped early, about"]) == [40]
    again = ("stopped early, about", "the answer")
    drawn = [number for name, trace in found.items() if name not in again for number in numbers(trace)]
    assert sorted(drawn) == list(range(40))


def test_a_ring_is_around_the_answer(view: StudyView) -> None:
    best = headline(view).best
    assert best is not None
    found = traces(front_figure(view))["the answer"]
    assert (numbers(found), found.marker.symbol) == ([best.trial], "circle-open")
    slow = results_of(trial(0, measured(0.4, 1.0, int8_layers=(), mask="0")), trial(1, measured(0.39, 1.1)))
    assert traces(front_figure(view_of(slow)))["the answer"].visible is False


def test_recipes_differ_by_their_symbol_not_by_their_colour_alone(view: StudyView) -> None:
    found = traces(front_figure(view))
    symbols = [found[name].marker.symbol for name in ("modelopt-max", "modelopt-entropy", "ultralytics", "bf16")]
    assert len(set(symbols)) == 4


def test_the_fronts_intervals_are_in_the_units_of_the_axes(view: StudyView) -> None:
    front = traces(front_figure(view))["front"]
    found = view.results.front[0].measurement
    unit_ms = found.timing.ms / found.timing.ratio.value
    assert front.error_x.arrayminus[0] == pytest.approx((found.timing.ratio.value - found.timing.ratio.low) * unit_ms)
    assert front.error_x.array[0] == pytest.approx((found.timing.ratio.high - found.timing.ratio.value) * unit_ms)
    assert front.error_y.array[0] == pytest.approx(found.accuracy.change.high - found.accuracy.change.value)


def test_an_infeasible_trial_is_off_the_front_and_told_apart(view: StudyView) -> None:
    from dataclasses import replace

    first = view.results.front[0].trial
    found = traces(front_figure(replace(view, infeasible=frozenset({first}))))
    assert numbers(found["breaks a constraint"]) == [first]
    assert first not in numbers(found["front"])


def test_a_study_without_points_has_an_empty_plot(tmp_path: Path) -> None:
    nothing = recorded_view(tmp_path, run="nothing", searched=0, recipes=False)
    assert all(len(trace.x) == 0 for name, trace in traces(front_figure(nothing)).items() if "stopped" not in name)


def test_fronts_of_several_studies_lie_over_one_another_each_with_its_reference(view: StudyView) -> None:
    names = traces(fronts_figure([view, view])).keys()
    assert names == {view.name, f"{view.name}: reference"}
    relative = traces(fronts_figure([view], relative=True))[view.name]
    assert list(relative.x) == [point.measurement.timing.ratio.value for point in view.results.front]


def test_the_plot_is_one_file_that_needs_no_network(view: StudyView, tmp_path: Path) -> None:
    path = tmp_path / "new" / "front.html"
    write_html(front_figure(view), path)
    assert '<script src="http' not in path.read_text().lower()
    assert [entry.name for entry in path.parent.iterdir()] == ["front.html"]
