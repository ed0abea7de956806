from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qpareto.objectives.quantization.sensitivity import SCORE_WEIGHT
from qpareto.search.show.plots.files import write_html
from qpareto.search.show.plots.sensitivity import sensitivity_figure


def row(name: str, block: str, *, box_error: float = 0.01, score_error: float = 0.02) -> dict[str, Any]:
    harm = box_error**2 + SCORE_WEIGHT * score_error**2
    found = {"box_error": box_error, "score_error": score_error, "harm": harm, "harm_se": harm / 4}
    return {"name": name, "block": block, "sensitivity": found}


ROWS = [
    row("first", "model.0"),
    row("second", "model.1", box_error=0.03),
    {"name": "refused", "block": "model.1", "sensitivity": None},
    row("third", "model.1", score_error=0.0),
]


def test_bars_stand_in_network_order_and_add_up_to_the_harm() -> None:
    boxes, scores = sensitivity_figure(ROWS, title="a model").data
    assert [values[0] for values in boxes.customdata] == ["first", "second", "third"]
    harm = [one["sensitivity"]["harm"] for one in ROWS if one["sensitivity"]]
    assert [box + score for box, score in zip(boxes.y, scores.y, strict=True)] == pytest.approx(harm)
    assert list(scores.error_y.array) == pytest.approx([value / 4 for value in harm])


def test_every_block_has_a_band_with_its_name() -> None:
    layout = sensitivity_figure(ROWS, title="a model").layout
    assert [(band.x0, band.x1) for band in layout.shapes] == [(-0.5, 0.5), (0.5, 2.5)]
    assert [note.text for note in layout.annotations] == ["0", "1"]


def test_the_plot_is_one_file_that_needs_no_network(tmp_path: Path) -> None:
    write_html(sensitivity_figure(ROWS, title="A model of ours"), tmp_path / "sensitivity.html")
    text = (tmp_path / "sensitivity.html").read_text()
    assert "A model of ours" in text
    assert '<script src="http' not in text.lower()
