"""How outputs are read: a head for each family of models."""

from .head import SCORE_FLOOR, Candidates, Dense, Detections, Floats, Head, Shape, Size

__all__ = ["SCORE_FLOOR", "Candidates", "Dense", "Detections", "Floats", "Head", "Shape", "Size"]
