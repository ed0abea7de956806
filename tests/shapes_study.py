"""A study file of the quickstart's detector on the few pictures of the fixture `shapes`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def shapes_study(shapes: Path, folder: Path, **sections: Any) -> Path:
    """Write one, its database beside it; `sections` replace those here as a whole."""
    usual = {
        "version": 1,
        "name": "shapes",
        "model": str(shapes / "model.onnx"),
        "data": {
            "images": str(shapes / "eval" / "images"),
            "annotations": str(shapes / "eval" / "instances.json"),
            "calibration": str(shapes / "calib" / "images"),
        },
        "storage": "sqlite:///study.db",
        "cache": str(shapes / "cache"),
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(usual | sections))
    return path
