"""Small detectors made on the spot, for tests that need a real graph and no data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 64


class NetworkWriter:
    """Collects nodes and weights of a graph with one input `images` [1, 3, 64, 64]."""

    def __init__(self, *, seed: int = 0) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._random = np.random.default_rng(seed)

    def conv(self, source: str, name: str, *, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> str:
        """A convolution, its SiLU behind it; returns the activation's tensor."""
        weight = self._random.normal(0, (2 / (inputs * kernel**2)) ** 0.5, (outputs, inputs, kernel, kernel))
        self.weights += [
            numpy_helper.from_array(weight.astype(np.float32), f"{name}.weight"),
            numpy_helper.from_array(self._random.normal(0, 0.1, outputs).astype(np.float32), f"{name}.bias"),
        ]
        self.node(
            "Conv",
            [source, f"{name}.weight", f"{name}.bias"],
            f"{name}/conv/Conv",
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )
        gate = self.node("Sigmoid", [f"{name}/conv/Conv_output_0"], f"{name}/act/Sigmoid")
        return self.node("Mul", [f"{name}/conv/Conv_output_0", gate], f"{name}/act/Mul")

    def node(self, op: str, inputs: list[str], name: str, **attributes: Any) -> str:
        output = f"{name}_output_0"
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output

    def boxes_and_scores(self, source: str) -> str:
        """Channels of [1, 24, n] as boxes that lie in the image (centre, width, height), and 20 scores as they are."""
        for name, values in {"parts": [4, 20], "spread": [SIZE, SIZE, 24, 24], "least": [0, 0, 8, 8]}.items():
            array = np.array(values, np.int64) if name == "parts" else np.array(values, np.float32).reshape(1, 4, 1)
            self.weights.append(numpy_helper.from_array(array, name))
        self.nodes.append(helper.make_node("Split", [source, "parts"], ["places", "scores"], "/head/Split", axis=1))
        inside = self.node("Sigmoid", ["places"], "/head/Sigmoid")
        boxes = self.node("Add", [self.node("Mul", [inside, "spread"], "/head/Mul"), "least"], "/head/Add")
        return self.node("Concat", [boxes, "scores"], "/head/Concat", axis=1)

    def write(self, path: Path, output: str, *, metadata: dict[str, str] | None = None, opset: int = 13) -> Path:
        graph = helper.make_graph(
            self.nodes,
            "detector",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model)
        helper.set_model_props(model, metadata or {})
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path


def small_network(path: Path, *, channels: int = 16, seed: int = 0) -> Path:
    """Seven convolutions with what surrounds them in a YOLO: a residual Add, a Concat, MaxPools, a Resize.

    Output [1, 24, 1024]; blocks model.0 to model.4.
    """
    net = NetworkWriter(seed=seed)
    c = channels
    stem = net.conv("images", "/model.0", inputs=3, outputs=c, stride=2)
    left = net.conv(stem, "/model.1/cv1", inputs=c, outputs=c)
    right = net.conv(left, "/model.1/cv2", inputs=c, outputs=c)
    added = net.node("Add", [left, right], "/model.1/Add")
    joined = net.node("Concat", [added, stem], "/model.1/Concat", axis=1)
    down = net.conv(joined, "/model.2", inputs=2 * c, outputs=2 * c, stride=2)
    pooled = net.node("MaxPool", [down], "/model.3/MaxPool", kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1])
    pools = net.node("Concat", [down, pooled], "/model.3/Concat", axis=1)
    mixed = net.conv(pools, "/model.3/cv1", inputs=4 * c, outputs=c, kernel=1)
    net.weights.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"))
    grown = net.node("Resize", [mixed, "", "scales"], "/model.4/Resize", mode="nearest")
    fused = net.node("Concat", [grown, joined], "/model.4/Concat", axis=1)
    last = net.conv(fused, "/model.4/cv1", inputs=3 * c, outputs=24, kernel=1)
    head = net.conv(last, "/model.4/cv2", inputs=24, outputs=24, kernel=1)
    net.weights.append(numpy_helper.from_array(np.array([1, 24, -1], np.int64), "shape"))
    return net.write(path, net.boxes_and_scores(net.node("Reshape", [head, "shape"], "/model.4/Reshape")))
