"""What heads of masks and key points find in a real export's outputs, held against Ultralytics' own postprocessing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qpareto.objectives.accuracy.data.images import Geometry, letterbox
from qpareto.objectives.accuracy.heads.head_kinds import head_of
from qpareto.objectives.accuracy.heads.shapes import KeyPoints, Masks
from qpareto.spaces.model import read_model
from task_models import KPT_SHAPE, NAMES, SIZE

pytest.importorskip("ultralytics", reason="needs Ultralytics: pip install 'qpareto[yolo]'")

WIDTH, HEIGHT = 128, 100  # of the image: scaled by a half, and 7 pixels of padding, which cut a prototype's pixels


def found_by_both(
    task: str, task_model: Callable[[str], Path]
) -> tuple[Any, NDArray[np.float32], list[NDArray[np.float32]]]:
    """Our detections on the image, Ultralytics' rows in the model's pixels, and the outputs that both are of."""
    import torch
    from ultralytics.utils.nms import non_max_suppression

    model, rng = read_model(task_model(task)), np.random.default_rng(0)
    boxes = rng.uniform((8, 14, 8, 8), (56, 50, 40, 40), (84, 4)).T
    scores = rng.beta(0.3, 3, (len(NAMES), 84))
    rest = rng.normal(size=(model.output_shapes[0][1] - 4 - len(NAMES), 84))
    if task == "pose":
        rest = rng.uniform(0, SIZE, (KPT_SHAPE[0], 3, 84)).reshape(-1, 84)
    outputs = [np.concatenate([boxes, scores, rest])[None], *(rng.normal(size=s) for s in model.output_shapes[1:])]
    outputs = [output.astype(np.float32) for output in outputs]
    _, scale, (left, top) = letterbox(np.zeros((HEIGHT, WIDTH, 3), np.uint8), SIZE, SIZE)
    (ours,) = head_of(model).detections(outputs)
    tensor = torch.from_numpy(outputs[0])
    (theirs,) = non_max_suppression(tensor, 0.001, 0.7, multi_label=True, nc=len(NAMES), max_det=300)
    return ours.on_image(Geometry(scale, left, top, WIDTH, HEIGHT)), theirs.numpy(), outputs


def same_boxes(ours: Any, theirs: NDArray[np.float32]) -> None:
    from ultralytics.utils.ops import scale_boxes

    assert len(ours.scores) == len(theirs) > 50
    assert np.allclose(ours.scores, theirs[:, 4])
    assert ours.classes.tolist() == theirs[:, 5].astype(int).tolist()
    assert np.allclose(ours.boxes, scale_boxes((SIZE, SIZE), theirs[:, :4].copy(), (HEIGHT, WIDTH)), atol=1e-3)


def test_key_points_are_those_that_ultralytics_finds(task_model: Callable[[str], Path]) -> None:
    from ultralytics.utils.ops import scale_coords

    ours, theirs, _ = found_by_both("pose", task_model)
    same_boxes(ours, theirs)
    points = theirs[:, 6:].reshape(-1, *KPT_SHAPE)
    assert isinstance(ours.shapes, KeyPoints)
    assert np.allclose(ours.shapes.points, scale_coords((SIZE, SIZE), points, (HEIGHT, WIDTH)), atol=1e-3)


def test_masks_are_those_that_ultralytics_draws_on_the_image(task_model: Callable[[str], Path]) -> None:
    import torch
    from ultralytics.utils.ops import process_mask_native, scale_boxes

    ours, theirs, outputs = found_by_both("segment", task_model)
    same_boxes(ours, theirs)
    assert isinstance(ours.shapes, Masks)
    boxes = scale_boxes((SIZE, SIZE), torch.from_numpy(theirs[:, :4].copy()), (HEIGHT, WIDTH))
    drawn = process_mask_native(
        torch.from_numpy(outputs[1][0]), torch.from_numpy(theirs[:, 6:]), boxes, (HEIGHT, WIDTH)
    ).numpy()
    whole = np.zeros(drawn.shape, np.bool_)
    for mask, (left, top), part in zip(whole, ours.shapes.corners, ours.shapes.parts, strict=True):
        mask[top : top + part.shape[0], left : left + part.shape[1]] = part
    differ = np.count_nonzero(whole != drawn.astype(np.bool_))
    assert differ / np.count_nonzero(drawn) < 0.02  # Ultralytics interpolates twice: first to pixels of the padding
