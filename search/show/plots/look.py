"""How all figures look: one palette that everybody can tell apart, on light and on dark pages, at any width."""

from __future__ import annotations

from typing import Any

# Okabe and Ito, 'Color Universal Design', 2008; symbols differ as well as colours
GREEN, VERMILION, BLUE, ORANGE, SKY, PURPLE = "#009e73", "#d55e00", "#0072b2", "#e69f00", "#56b4e9", "#cc79a7"
GREY = "#8c8c8c"
SERIES = (GREEN, BLUE, VERMILION, PURPLE, ORANGE, SKY)
INK = "#7a7a7a"  # reads on white and on black; a page that knows which it is may set its own
GRID = "rgba(128, 128, 128, 0.25)"
FAINT = "rgba(128, 128, 128, 0.18)"


def layout(*, title: str, x: str, y: str, height: int = 440) -> dict[str, Any]:
    """A figure's layout: transparent, its legend below, nothing of a fixed width.

    Args:
        x, y: the axes' titles, with units.
        height: pixels.
    """
    return {
        "title": {"text": title, "x": 0, "xref": "paper", "font": {"size": 16}},
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "family": "system-ui, sans-serif", "size": 13},
        "xaxis": axis(x),
        "yaxis": axis(y),
        "height": height,
        "margin": {"l": 10, "r": 10, "t": 46, "b": 10},
        "legend": {"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0},
        "hoverlabel": {"align": "left"},
    }


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with its title."""
    own = {"gridcolor": GRID, "zeroline": False, "linecolor": GRID, "automargin": True}
    return own | {"title": {"text": title, "standoff": 8}} | more
