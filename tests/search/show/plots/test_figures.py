"""The other figures of a study, each against what the study holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_up_trials import results_with_a_surer_answer, view_of
from qpareto.objectives.objective import OBJECTIVES, Objective
from qpareto.search.results.study_results import Results
from qpareto.search.show.dashboard.board import MOST_FIGURE_BYTES
from qpareto.search.show.headline import headline
from qpareto.search.show.plots import bargains_figure, figures_of_view, growth_figure, masks_figure
from qpareto.search.show.plots.worth import worth_figure, worth_of_switches
from qpareto.search.show.view import StudyView


def test_every_figure_is_small_enough_for_the_dashboard(view: StudyView) -> None:
    drawn = figures_of_view(view)
    assert list(drawn) == ["front", "masks", "worth", "bargains", "growth"]
    assert max(len(figure.to_json()) for figure in drawn.values()) < MOST_FIGURE_BYTES


def test_the_heat_map_has_a_row_a_front_point_and_says_which_layers_are_int8(view: StudyView) -> None:
    figure = masks_figure(view)
    assert figure is not None
    (heat,) = figure.data
    for row, names, point in zip(heat.z, heat.customdata, view.results.front, strict=True):
        on = [name for name, cell in zip(names, row, strict=True) if cell]
        assert tuple(on) == point.measurement.engine.int8_layers
    best = headline(view).best
    assert best is not None
    assert [row for row in heat.y if row.startswith("\N{LARGE CIRCLE}")] == [f"\N{LARGE CIRCLE} {best.trial}: 2.24x"]


def test_the_heat_map_has_the_answer_though_it_is_off_the_front() -> None:
    found = view_of(results_with_a_surer_answer())
    assert [point.trial for point in found.feasible_front] == [2, 0]
    (heat,) = masks_figure(found).data
    assert list(heat.y) == ["2: 2.00x", "\N{LARGE CIRCLE} 1: 1.96x", "0: 1.00x"]


def test_sensitivity_against_gain_tells_how_much_of_the_front_has_a_switch_in_int8(view: StudyView) -> None:
    figure = bargains_figure(view)
    assert figure is not None
    (points,) = figure.data
    assert view.expected is not None
    assert len(points.x) == len(view.expected.layers) == 90
    name, share = points.customdata[0]
    (layer,) = view.expected.layers[name]
    having = [point for point in view.results.front if layer in point.measurement.engine.int8_layers]
    assert share == pytest.approx(len(having) / len(view.results.front))
    assert bargains_figure(replace(view, expected=None)) is None


def test_hypervolume_grows_to_what_the_study_has(view: StudyView) -> None:
    (line,) = growth_figure([view]).data
    assert all(before <= after for before, after in zip(line.y, line.y[1:], strict=False))
    assert line.y[-1] == pytest.approx(view.results.hypervolume())
    assert line.x[0] < line.x[-1] < 1


def test_what_layers_do_points_the_way_that_all_of_them_go(view: StudyView) -> None:
    found = worth_of_switches(view)
    assert found is not None
    names, changes, deviations = found
    assert len(names) == 90
    reference, everything = (view.results.points[i].measurement for i in (0, 1))  # float, modelopt-max
    seen_ms = everything.timing.ms - reference.timing.ms
    assert 1.5 * seen_ms < changes[:, 1].sum() < 0.5 * seen_ms < 0  # one float trial among forty: held towards 0
    assert changes[:, 0].sum() < 0
    assert (deviations > 0).all()
    assert np.isfinite(changes).all()


def test_an_objective_that_somebody_added_is_shown_with_its_unit(
    view: StudyView, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Objective(
        name="ap_small",
        value=lambda found: getattr(found.accuracy, "ap_small", None),
        direction="maximize",
        label="AP of small objects",
        unit="0 to 1",
    )
    monkeypatch.setitem(OBJECTIVES, "ap_small", small)
    objectives = ("ap_small", "latency_ms")
    results = Results(view.results.records, objectives=objectives, float_type=view.results.float_type)
    figure = worth_figure(replace(view, results=results))
    assert figure is not None
    assert figure.layout.yaxis.title.text == "change of<br>AP of small objects<br>(0 to 1)"
