"""Runs an exported engine by Ultralytics:  python with_ultralytics.py best/best_openvino_model image.jpg"""

import sys

from ultralytics import YOLO

model = YOLO(sys.argv[1], task="detect")  # best/best_openvino_model, or best/best.engine
for result in model(sys.argv[2], verbose=False):
    for box in result.boxes:
        print(int(box.cls), float(box.conf), box.xyxy[0].tolist())
