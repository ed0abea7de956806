"""The models that other tests take for segmentation, pose and classification are what Ultralytics exports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qpareto.spaces.model import read_model
from task_models import NAMES

# 64 px: 84 places on three grids; masks of 32 parts, on a grid of a quarter of the pixels; five points of three numbers
SHAPES = {
    "segment": ((1, 4 + 3 + 32, 84), (1, 32, 16, 16)),
    "pose": ((1, 4 + 3 + 5 * 3, 84),),
    "classify": ((1, 3),),
    "obb": ((1, 4 + 3 + 1, 84),),
}


@pytest.mark.parametrize("task", SHAPES)
def test_a_models_outputs_and_metadata_are_those_of_its_task(task: str, task_model: Callable[[str], Path]) -> None:
    path = task_model(task)
    model = read_model(path)
    assert model.output_shapes == SHAPES[task]
    assert model.metadata["task"] == task
    assert model.class_names == NAMES
    assert ("kpt_shape" in model.metadata) == (task == "pose")
    assert path.with_suffix(".pt").is_file()
    assert task_model(task) == path
