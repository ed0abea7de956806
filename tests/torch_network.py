"""A real network as a CUDA program where no TensorRT is to be had: an ONNX graph run by PyTorch's operators.

For tests and benchmarks of what measures engines, on GPU machines with PyTorch. It knows the operators of YOLO11n and
of Q/DQ; nothing is fused, so its speed says nothing of TensorRT's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import onnx
import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from onnx import helper, numpy_helper

from qpareto.errors import EngineError
from qpareto.objectives.engines import Availability, Engine, EngineKind, EngineOptions
from qpareto.objectives.engines.cuda import CudaEngine, Port
from qpareto.objectives.engines.gpu import Gpu, present_gpu

Attributes = dict[str, Any]
Tensor = Any  # torch's own type would have mypy read all of torch


def _conv(a: Attributes, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    pads = a.get("pads", [0, 0, 0, 0])
    assert pads[:2] == pads[2:]
    return F.conv2d(x, w, b, a.get("strides", [1, 1]), pads[:2], a.get("dilations", [1, 1]), groups=a.get("group", 1))


def _max_pool(a: Attributes, x: Tensor) -> Tensor:
    return F.max_pool2d(x, a["kernel_shape"], a.get("strides", [1, 1]), a.get("pads", [0, 0])[:2])


def _resize(a: Attributes, x: Tensor, roi: Tensor | None, scales: Tensor) -> Tensor:
    del a, roi
    return F.interpolate(x, scale_factor=scales[2:].tolist(), mode="nearest")


def _slice(a: Attributes, x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor, steps: Tensor | None = None) -> Tensor:
    del a, steps
    for start, end, axis in zip(starts.tolist(), ends.tolist(), axes.tolist(), strict=True):
        x = x.narrow(axis, start, min(end, x.shape[axis]) - start)
    return x


def _scale(x: Tensor, scale: Tensor, axis: int) -> Tensor:
    return scale.reshape([-1 if i == axis % x.dim() else 1 for i in range(x.dim())]) if scale.dim() else scale


def _quantize(a: Attributes, x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    del zero
    return torch.clamp(torch.round(x / _scale(x, scale, a.get("axis", 1))), -128, 127)


def _dequantize(a: Attributes, x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    del zero
    return x * _scale(x, scale, a.get("axis", 1))


OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": lambda a, x, y: x + y,
    "Cast": lambda a, x: x.to({1: torch.float32, 10: torch.float16, 7: torch.int64}[a["to"]]),
    "Concat": lambda a, *xs: torch.cat(xs, a["axis"]),
    "Conv": _conv,
    "DequantizeLinear": _dequantize,
    "Div": lambda a, x, y: x / y if x.is_floating_point() else x // y,
    "Gather": lambda a, x, i: torch.index_select(x, a.get("axis", 0), i.reshape(-1)).squeeze(a.get("axis", 0)),
    "MatMul": lambda a, x, y: x @ y,
    "MaxPool": _max_pool,
    "Mul": lambda a, x, y: x * y,
    "QuantizeLinear": _quantize,
    "Reshape": lambda a, x, shape: x.reshape(shape.tolist()),
    "Resize": _resize,
    "Shape": lambda a, x: torch.tensor(x.shape),
    "Sigmoid": lambda a, x: torch.sigmoid(x),
    "Slice": _slice,
    "Softmax": lambda a, x: torch.softmax(x, a.get("axis", -1)),
    "Split": lambda a, x, sizes: torch.split(x, sizes.tolist(), a["axis"]),
    "Sub": lambda a, x, y: x - y,
    "Transpose": lambda a, x: x.permute(a["perm"]),
}


class TorchNetwork:
    """A `CudaProgram`. Shapes, and what is computed from them alone, stay on the host; weights lie on the GPU."""

    def __init__(self, path: Path) -> None:
        self._graph = onnx.load(path).graph
        constants = [node for node in self._graph.node if node.op_type == "Constant"]
        weights = {node.output[0]: node.attribute[0].t for node in constants}
        weights |= {weight.name: weight for weight in self._graph.initializer}
        self._nodes = [node for node in self._graph.node if node.op_type != "Constant"]
        on_host = {name for node in self._nodes if node.op_type == "Resize" for name in node.input[1:]}
        self._weights = {name: _placed(weight, on_host=name in on_host) for name, weight in weights.items()}
        self._attributes = [{f.name: helper.get_attribute_value(f) for f in n.attribute} for n in self._nodes]
        self.input, *outputs = [self._port(value) for value in (self._graph.input[0], *self._graph.output)]
        self.outputs = tuple(outputs)
        self._memory: dict[str, Tensor] = {}
        self._pool = torch.cuda.MemPool()  # what the graph's kernels write to is no other network's
        self._stream: Any = None

    def bind(self, addresses: Mapping[str, int]) -> None:
        for port in (self.input, *self.outputs):
            self._memory[port.name] = torch.as_tensor(_Foreign(addresses[port.name], port.shape), device="cuda")

    def enqueue(self, stream: int) -> None:
        self._stream = torch.cuda.ExternalStream(stream)
        with torch.inference_mode(), torch.cuda.use_mem_pool(self._pool), torch.cuda.stream(self._stream):
            values: dict[str, Any] = {**self._weights, self.input.name: self._memory[self.input.name], "": None}
            for node, attributes in zip(self._nodes, self._attributes, strict=True):
                found = OPERATORS[node.op_type](attributes, *(values[name] for name in node.input))
                values |= zip(node.output, found if isinstance(found, tuple) else [found], strict=True)
            for port in self.outputs:
                self._memory[port.name].copy_(values[port.name])

    def close(self) -> None:
        self._memory.clear()
        self._weights.clear()

    @staticmethod
    def _port(value: Any) -> Port:
        return Port(name=value.name, shape=tuple(d.dim_value for d in value.type.tensor_type.shape.dim))


def _placed(weight: Any, *, on_host: bool) -> Tensor:
    """Integers are shapes and indices, or zero points that nobody reads: they stay on the host."""
    tensor = torch.tensor(numpy_helper.to_array(weight))
    return tensor.cuda() if tensor.is_floating_point() and not on_host else tensor


class _Foreign:
    """Device memory that another library owns, as PyTorch takes it."""

    def __init__(self, address: int, shape: tuple[int, ...]) -> None:
        self.__cuda_array_interface__ = {"shape": shape, "typestr": "<f4", "data": (address, False), "version": 3}


class TorchKind(EngineKind):
    """The engine contract over it; an engine is the ONNX file itself."""

    name: ClassVar[str] = "torch"
    float_types: ClassVar[tuple[str, ...]] = ("fp32", "fp16")
    runs_on_host_cpu: ClassVar[bool] = False

    def availability(self) -> Availability:
        return Availability(can_build=True, can_run=True)

    def device_name(self) -> str:
        gpu = present_gpu()
        assert isinstance(gpu, Gpu)
        return gpu.name

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def faster_float_type(self, options: EngineOptions) -> str | None:
        return "fp16" if options.float_type == "fp32" else None

    def build(self, onnx_path: Path, engine_dir: Path, options: EngineOptions) -> None:
        from google.protobuf.message import DecodeError

        from qpareto.objectives.engines.half import half_precision

        self._check(options)
        try:
            model = onnx.load(onnx_path)
        except DecodeError as error:
            raise EngineError(f"{onnx_path.name} is no ONNX model.") from error
        if model.graph.input[0].type.tensor_type.shape.dim[0].dim_value != options.batch:
            raise EngineError("It has another batch.")
        onnx.save(half_precision(model) if options.float_type == "fp16" else model, engine_dir / "model.onnx")

    def load(self, engine_dir: Path, options: EngineOptions) -> Engine:
        self._check(options)
        path = engine_dir / "model.onnx"
        if not path.is_file():
            raise EngineError(f"{engine_dir} holds no network.")
        torch.backends.cudnn.conv.fp32_precision = "ieee"
        torch.backends.cudnn.deterministic = True
        try:
            network = TorchNetwork(path)
        except Exception as error:
            raise EngineError(f"{path} cannot be read: {error}") from error
        return CudaEngine(network)

    def _check(self, options: EngineOptions) -> None:
        if options.float_type not in self.float_types:
            raise EngineError(f"no {options.float_type} here")
