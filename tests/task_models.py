"""Ultralytics' models of the tasks beside detection: untrained and small, but otherwise as people have them.

What they find means nothing: they are for the shapes of outputs, metadata, and what is refused. Once made, a model is
kept for the session by the fixture `task_model`.
"""

from __future__ import annotations

from pathlib import Path

TOPOLOGIES = {"segment": "yolo11n-seg", "pose": "yolo11n-pose", "classify": "yolo11n-cls", "obb": "yolo11n-obb"}
NAMES = ("apple", "pear", "plum")
KPT_SHAPE = (5, 3)  # of a pose
SIZE = 64  # pixels, both ways


def save_task_model(task: str, folder: Path) -> None:
    """`task.pt` and `task.onnx` (static, batch 1); run in a child process, so that torch stays out of this one."""
    import torch
    from ultralytics import YOLO

    topology = f"{TOPOLOGIES[task]}.yaml"
    whole = YOLO(topology, task=task)
    torch.manual_seed(0)
    own = {"data_kpt_shape": KPT_SHAPE} if task == "pose" else {}
    whole.model = type(whole.model)(topology, nc=len(NAMES), verbose=False, **own)
    whole.model.names = dict(enumerate(NAMES))
    whole.model.task = task
    whole.model.args = whole.overrides
    whole.save(folder / f"{task}.pt")
    YOLO(folder / f"{task}.pt").export(format="onnx", imgsz=SIZE, opset=17, simplify=False, device="cpu")
