"""How a TensorRT is told which precision each layer runs in, and what else its versions differ in for us.

From version 10 on a network is strongly typed: every tensor has the type that the graph gives it. In 8.x precisions are
flags of the build, and the builder chooses among those that are allowed by timing them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ....errors import EngineError
from ..gpu import Gpu
from ..options import HalfOptions

if TYPE_CHECKING:
    import tensorrt

_VERSION = re.compile(r"(\d+)\.(\d+)")
_KNOWN_BAD = ("10.2.0",)  # told of in NVIDIA's issue threads


class Typing(ABC):
    """One way to say precisions, and what else differs between versions.

    Attributes:
        tells_kernel_timing: whether the log says when kernels are timed, in the words that `KernelTiming` knows.
    """

    tells_kernel_timing: ClassVar[bool] = False

    @abstractmethod
    def unsupported(self, gpu: Gpu, title: str) -> str | None:
        """Why engines of these versions, named `title`, cannot run on a GPU; None if they can."""

    @abstractmethod
    def network_flags(self, trt: Any) -> int:
        """Flags of `Builder.create_network`."""

    @abstractmethod
    def graph(self, model: Any, options: HalfOptions) -> Any:
        """The Q/DQ graph in FP32, an onnx.ModelProto, as the parser is to get it: another one, or the same.

        Raises:
            ValueError: it cannot be brought into that form: what follows 'cannot be built'.
        """

    def constrain(  # noqa: B027 - most versions have nothing to be told
        self,
        trt: Any,
        network: tensorrt.INetworkDefinition,
        config: tensorrt.IBuilderConfig,
        options: HalfOptions,
    ) -> None:
        """Tell the build what the graph does not say: nothing, where types are the graph's."""


class StronglyTyped(Typing):
    """TensorRT 10 and 11, and that for RTX: FP16 is cast into the graph, with what must stay FP32 left so."""

    def unsupported(self, gpu: Gpu, title: str) -> str | None:
        if gpu.capability < (7, 5):
            return f"{gpu.name} has compute capability {gpu.capability_text}, and {title} needs 7.5: use another GPU."
        return None

    def network_flags(self, trt: Any) -> int:
        """On version 11 and later all networks are strongly typed, and the flag may be gone."""
        flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
        return 0 if flag is None else 1 << int(flag)

    def graph(self, model: Any, options: HalfOptions) -> Any:
        from ..half import half_precision

        if options.float_type != "fp16":
            return model
        try:
            return half_precision(model, keep=options.keep_fp32)
        except ValueError as error:
            raise ValueError(f"in FP16, since {error}: set engine.float_type=fp32") from error


class WeaklyTyped(Typing):
    """TensorRT 8.5 and 8.6: the FP32 graph with flags for what else is allowed.

    Its parser reads operators of opset 17, wants every convolution's kernel shape where the kernel is dequantized, and
    would read FP16 scales as FP32; its builder loses factors that `factors.py` moves. A float layer is held to FP16, or
    to FP32 if it must stay so, wherever there is a kernel for it: so `float_type` says the same as for later versions,
    and the builder has half the formats to try (YOLO11n on an H200: 136 s instead of 233, and 33 instead of 51 from a
    full timing cache). What is quantized next is left to the builder, which may then make one INT8 kernel of a
    convolution and its activation: with 88 of 90 layers INT8, all float layers held took 0.813 ms, and convolutions
    alone 0.777 ms.
    """

    tells_kernel_timing: ClassVar[bool] = True

    OPSET: ClassVar[int] = 17
    # With INT8 kernels, of NVIDIA's support matrices of 8.5.3 and 8.6.1; 7.2 and 8.7 are Jetsons.
    CAPABILITIES: ClassVar[tuple[str, ...]] = ("6.1", "7.0", "7.2", "7.5", "8.0", "8.6", "8.7", "8.9", "9.0")

    def unsupported(self, gpu: Gpu, title: str) -> str | None:
        if gpu.capability_text in self.CAPABILITIES:
            return None
        return (
            f"{gpu.name} has compute capability {gpu.capability_text}, and {title} 8 has INT8 kernels for "
            f"{', '.join(self.CAPABILITIES)}: install {title} 10 or later, or use another GPU."
        )

    def network_flags(self, trt: Any) -> int:
        return 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)

    def graph(self, model: Any, options: HalfOptions) -> Any:
        from .factors import with_factors_behind_products
        from .opset import at_opset, with_kernel_shapes

        try:
            return with_factors_behind_products(with_kernel_shapes(at_opset(model, self.OPSET)))
        except ValueError as error:
            raise ValueError(
                f"by TensorRT 8, which reads operators of opset {self.OPSET}, since {error}: "
                f"export the model with opset={self.OPSET} or older, or install TensorRT 10 or later"
            ) from error

    def constrain(
        self,
        trt: Any,
        network: tensorrt.INetworkDefinition,
        config: tensorrt.IBuilderConfig,
        options: HalfOptions,
    ) -> None:
        layers = [network.get_layer(i) for i in range(network.num_layers)]
        if any(layer.type == trt.LayerType.QUANTIZE for layer in layers):  # it builds no such graph without the flag
            config.set_flag(trt.BuilderFlag.INT8)
        if options.float_type != "fp16":
            return
        config.set_flag(trt.BuilderFlag.FP16)
        config.set_flag(trt.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)
        free = left_to_builder(trt, layers)
        for layer in layers:
            if layer.type not in _untyped(trt):
                _hold(trt, layer, free=layer.name in free, kept=_writes(layer, options.keep_fp32))


def typing_of_version(version: str) -> Typing:
    """What a version of TensorRT takes.

    Raises:
        EngineError: it is known to be bad, or none that we know how to ask.
    """
    found = _VERSION.match(version)
    number = (int(found[1]), int(found[2])) if found else (0, 0)
    if version.startswith(_KNOWN_BAD):
        raise EngineError(f"TensorRT {version} is known to be bad: install 10.3 or later.")
    if number in {(8, 5), (8, 6)}:
        return WeaklyTyped()
    if number < (10, 0):
        raise EngineError(f"TensorRT {version} is not known here: install 8.5, 8.6, or 10.3 or later.")
    return StronglyTyped()


def left_to_builder(trt: Any, layers: Sequence[tensorrt.ILayer]) -> set[str]:
    """Names of the layers that may run in INT8, as the mask says.

    They are what reads dequantized tensors, and what comes between a product and a Q: an activation, a concatenation.

    Args:
        layers: in topological order.
    """
    kinds = trt.LayerType
    products = {kinds.CONVOLUTION, kinds.DECONVOLUTION, kinds.MATRIX_MULTIPLY}
    dequantized = {layer.get_output(0).name for layer in layers if layer.type == kinds.DEQUANTIZE}
    free: set[str] = set()
    quantized: set[str] = set()  # tensors that are quantized next, or by way of free layers
    for layer in reversed(layers):
        leads = layer.type == kinds.QUANTIZE or (_writes(layer, quantized) and layer.type not in products)
        if leads:
            quantized.update(_inputs(layer))
        if leads or not dequantized.isdisjoint(_inputs(layer)):
            free.add(layer.name)
    return free


def _untyped(trt: Any) -> set[Any]:
    """Layers whose types are not the build's to choose."""
    kinds = trt.LayerType
    return {kinds.QUANTIZE, kinds.DEQUANTIZE, kinds.CONSTANT, kinds.SHAPE}


def _inputs(layer: tensorrt.ILayer) -> set[str]:
    tensors = [layer.get_input(i) for i in range(layer.num_inputs)]
    return {tensor.name for tensor in tensors if tensor is not None}


def _writes(layer: tensorrt.ILayer, tensors: Collection[str]) -> bool:
    return any(layer.get_output(i).name in tensors for i in range(layer.num_outputs))


def _hold(trt: Any, layer: tensorrt.ILayer, *, free: bool, kept: bool) -> None:
    """What it computes in: FP16, or FP32 if it is kept so; unless it is free to run in INT8 too."""
    floats = [i for i in range(layer.num_outputs) if layer.get_output(i).dtype == trt.float32]
    if len(floats) < layer.num_outputs:  # indices or shapes
        return
    if kept:
        for i in floats:
            layer.set_output_type(i, trt.float32)
    if not free:
        layer.precision = trt.float32 if kept else trt.float16
