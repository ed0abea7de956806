"""Runs an exported TensorRT engine on an image:  python with_tensorrt.py best/best.engine image.jpg

Needs a GPU, TensorRT of the version in manifest.json, and cuda-bindings 13; with_openvino.py lies beside it.
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorrt as trt
from cuda.bindings import runtime as cuda

from with_openvino import detections, letterboxed

data = Path(sys.argv[1]).read_bytes()
length = int.from_bytes(data[:4], "little", signed=True)  # of Ultralytics' header; --format raw has none
plan = data[4 + length :] if data[4:5] == b"{" else data

logger = trt.Logger(trt.Logger.WARNING)
engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
context = engine.create_execution_context()
names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
shapes: dict[str, Any] = {name: engine.get_tensor_shape(name) for name in names}
arrays = {name: np.empty(tuple(shape), np.float32) for name, shape in shapes.items()}  # all are FP32
memory = {name: cuda.cudaMalloc(array.nbytes)[1] for name, array in arrays.items()}
for name, address in memory.items():
    context.set_tensor_address(name, address)

_, _, height, width = arrays[names[0]].shape  # the input comes first
arrays[names[0]][:], scale, left, top = letterboxed(cv2.imread(sys.argv[2]), height, width)
_, stream = cuda.cudaStreamCreate()
to_gpu, to_host = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice, cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
cuda.cudaMemcpy(memory[names[0]], arrays[names[0]].ctypes.data, arrays[names[0]].nbytes, to_gpu)
context.execute_async_v3(stream)
cuda.cudaStreamSynchronize(stream)
cuda.cudaMemcpy(arrays[names[1]].ctypes.data, memory[names[1]], arrays[names[1]].nbytes, to_host)
for found in detections(arrays[names[1]], scale, left, top):
    print(*found)
