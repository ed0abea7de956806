from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from made_up_trials import results_of, typical_results
from qpareto.search.show.plots import front_figure, write_front_plot


def traces(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data}


def test_every_point_is_drawn_in_the_trace_that_it_belongs_to() -> None:
    found = traces(front_figure(typical_results(), title="a study"))
    assert [row[0] for row in found["measured"].customdata] == [6]
    assert [row[0] for row in found["front"].customdata] == [5, 4, 0]
    assert [row[0] for row in found["baselines"].customdata] == [0, 1, 3]
    assert list(found["baselines"].text) == ["float", "modelopt-max = ultralytics", "bf16"]  # two made one engine


def test_the_fronts_intervals_are_in_the_units_of_the_axes() -> None:
    front = traces(front_figure(typical_results(), title="a study"))["front"]
    assert front.x[0] == pytest.approx(11.6)
    assert front.error_x.arrayminus[0] == pytest.approx(0.01 * 20)
    assert front.error_x.array[0] == pytest.approx(0.02 * 20)
    assert front.error_y.arrayminus[0] == pytest.approx(0.002)
    assert front.error_y.array[0] == pytest.approx(0.003)


def test_a_study_without_points_has_an_empty_plot() -> None:
    assert all(len(trace.x) == 0 for trace in front_figure(results_of(), title="nothing").data)


def test_the_plot_is_one_file_that_needs_no_network(tmp_path: Path) -> None:
    path = tmp_path / "new" / "front.html"
    write_front_plot(typical_results(), path, title="A study of ours")
    text = path.read_text()
    assert "A study of ours" in text
    assert '<script src="http' not in text.lower()
    assert [entry.name for entry in path.parent.iterdir()] == ["front.html"]
