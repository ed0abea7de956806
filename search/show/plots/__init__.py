"""The figures of a study, as plotly's: one set for the report, the dashboard and notebooks."""

from __future__ import annotations

from typing import Any

from ..view import StudyView
from .bargains import bargains_figure
from .front import front_figure, fronts_figure
from .growth import growth_figure
from .masks import masks_figure
from .worth import worth_figure

__all__ = ["bargains_figure", "figures_of_view", "front_figure", "fronts_figure", "growth_figure", "masks_figure"]


def figures_of_view(view: StudyView) -> dict[str, Any]:
    """Every figure that a study has by now, by a short name, in the order in which they are read."""
    drawn = {
        "front": front_figure(view),
        "masks": masks_figure(view) if view.feasible_front else None,
        "worth": worth_figure(view),
        "bargains": bargains_figure(view),
        "growth": growth_figure([view]),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}
