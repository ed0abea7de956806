"""mAP50-95 of what Ultralytics itself finds, as pycocotools counts it: of boxes, and of masks or key points.

    python benchmarks/tasks/judge.py segment build/segment/best.onnx build/segment/data

Ultralytics validates with its own settings (NMS at 0.7, scores from 0.001), and writes what it found; masks are then
drawn in the pictures' own pixels. Where it scales these, it cuts off what lies between 0 and 1, so that they shrink by
up to a pixel; here they are rounded. Nothing else is changed, and nothing of qpareto takes part.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

os.environ["YOLO_AUTOINSTALL"] = "false"  # it would install another evaluator, which is not used

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from ultralytics import YOLO
from ultralytics.models.yolo.segment import SegmentationValidator
from ultralytics.utils.ops import scale_masks

from train_tasks import SIZES, VALIDATED

OVERLAPS = {"segment": "segm", "pose": "keypoints"}


class RoundedMasks(SegmentationValidator):  # type: ignore[misc] # Ultralytics has no types
    """As Ultralytics validates, but for what its `byte()` does to masks."""

    def scale_preds(self, predn: Any, pbatch: Any) -> Any:
        masks = scale_masks(predn["masks"][None], pbatch["ori_shape"], ratio_pad=pbatch["ratio_pad"])[0]
        return super().scale_preds(predn, pbatch) | {"masks": masks.round().byte()}


def found_by_ultralytics(task: str, model: Path, data: Path) -> list[dict[str, Any]]:
    """Detections in the val pictures, as COCO's results."""
    with tempfile.TemporaryDirectory() as folder:
        settings = VALIDATED | {"imgsz": SIZES[task], "save_json": True, "project": folder, "name": "val"}
        where = str((data / "data.yaml").resolve())
        validator = RoundedMasks if task == "segment" else None
        YOLO(model, task=task).val(validator, data=where, device="cpu", verbose=False, **settings)
        found: list[dict[str, Any]] = json.loads((Path(folder) / "val" / "predictions.json").read_text())
    return found


def map50_95(truth: Path, found: list[dict[str, Any]], overlap: str) -> float:
    """Of all areas, as COCO counts it; each key point's sigma is 1 / their number, as in Ultralytics."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        count = COCOeval(coco, coco.loadRes(found), overlap)
        if overlap == "keypoints":
            points = len(found[0]["keypoints"]) // 3
            count.params.kpt_oks_sigmas = np.full(points, 1 / points)
        count.evaluate()
        count.accumulate()
        precision = count.eval["precision"][..., 0, -1]  # all areas, the most detections
    return float(precision[precision > -1].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=list(OVERLAPS))
    parser.add_argument("model", type=Path, help="best.pt, best.onnx or an exported engine")
    parser.add_argument("data", type=Path, help="as draw.py writes it")
    given = parser.parse_args()
    found = found_by_ultralytics(given.task, given.model, given.data)
    truth = given.data / "instances_val.json"
    print(json.dumps({overlap: map50_95(truth, found, overlap) for overlap in ("bbox", OVERLAPS[given.task])}))


if __name__ == "__main__":
    main()
