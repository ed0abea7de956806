"""Precision against recall as a picture: SVG, which needs nothing to be drawn and stays sharp."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...objectives.accuracy.coco import MatchTable
from .plots.look import GREEN, ORANGE

SIZE, MARGIN, STEPS = 420, 46, 400  # pixels of the square, and beside it; points a curve
Floats = NDArray[np.float64]


def precision_recall(matches: MatchTable) -> tuple[Floats, Floats]:
    """Recall and precision at IoU 0.50 as the confidence falls, all classes together: each (n,), 0..1."""
    counted = matches.counted[0]
    order = np.argsort(-matches.scores[counted], kind="stable")
    correct = matches.correct[0][counted][order].cumsum()
    return correct / max(int(matches.truths.sum()), 1), correct / np.arange(1, len(correct) + 1)


def precision_recall_svg(curves: Mapping[str, MatchTable]) -> str:
    """Two curves at most, by name, in colours that all readers can tell apart; the second one is dashed."""
    whole = SIZE + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole}" width="{whole}" height="{whole}" '
        'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>',
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#bbb"/>',
        f'<text x="{MARGIN + SIZE / 2}" y="{whole - 10}" text-anchor="middle">recall, 0 to 1</text>',
        f'<text transform="rotate(-90)" x="{-MARGIN - SIZE / 2}" y="24" text-anchor="middle">precision, 0 to 1</text>',
        f'<text x="{MARGIN}" y="24" font-size="15">Precision and recall at IoU 0.50, all classes</text>',
    ]
    for i, ((name, matches), colour) in enumerate(zip(curves.items(), (GREEN, ORANGE), strict=False)):
        dash = ' stroke-dasharray="6 4"' if i else ""
        lines.append(f'<polyline points="{_points(matches)}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        lines.append(f'<text x="{MARGIN + 14}" y="{MARGIN + SIZE - 30 + 18 * i}" fill="{colour}">{name}</text>')
    return "\n".join([*lines, "</svg>"])


def _points(matches: MatchTable) -> str:
    recall, precision = precision_recall(matches)
    chosen = np.unique(np.linspace(0, max(len(recall) - 1, 0), min(len(recall), STEPS)).astype(int))
    return " ".join(f"{MARGIN + SIZE * recall[i]:.1f},{MARGIN + SIZE * (1 - precision[i]):.1f}" for i in chosen)
