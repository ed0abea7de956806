"""A study file of the quickstart's detector on the few pictures of the fixture `shapes`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from qpareto.objectives.score import Scorer
from qpareto.search.run.prepare import scorer_of_spec
from qpareto.search.study_file.loading import load_study_file


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


def quick_scorer(shapes: Path, folder: Path) -> Scorer:
    """Of such a study, on one thread, calibrated on four pictures and timed for an instant."""
    study = shapes_study(
        shapes,
        folder,
        space={"calibration": {"methods": ["max"], "sizes": [4]}},
        engine={"threads": 1},
        latency={"ci_width": 0.5, "max_seconds": 0.3, "max_wait_s": 0},
    )
    return scorer_of_spec(load_study_file(study))
