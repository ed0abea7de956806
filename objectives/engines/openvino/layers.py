"""The layers of a compiled OpenVINO model, as its runtime graph tells them.

The CPU plugin fuses activations and requantization into the layer before them, and puts Reorders where a tensor changes
its type or layout. What it could not fuse of a Q/DQ pair becomes a layer of its own, with nothing in it but that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....spaces.precision import FLOAT, INT8
from ..inspection import EngineLayer
from .library import library

_QUANTIZE = "FakeQuantize"  # what a Q/DQ pair is in OpenVINO's graphs
_COMPUTING = {
    "Convolution",
    "GroupConvolution",
    "ConvolutionBackpropData",
    "GroupConvolutionBackpropData",
    "MatMul",
}
_WITHOUT_BIAS = "/WithoutBiases"  # how the reader names a layer whose bias it splits off, under the layer's name
_MARK = "qpareto_layer"
_NO_LAYERS = {"Const", "Input", "Output"}
_REFORMATS = {"Reorder", "Convert"}
_PRECISIONS = {"u8": INT8, "i8": INT8}  # by element type; any other is float
_MAY_QUANTIZE = {"Subgraph", _QUANTIZE}  # Subgraph: any elementwise operations, compiled into one loop


def mark_layers(model: Any, onnx_path: Path) -> None:
    """Note in each computing node what the ONNX calls it, for `name_layers`.

    Args:
        model: openvino.Model as it was read from that file; changed in place.
    """
    import onnx

    graph = onnx.load(onnx_path, load_external_data=False).graph
    names = {tensor: node.name for node in graph.node for tensor in node.output if node.name}
    for result in model.get_results():  # the reader gives their makers the outputs' names
        maker = result.input_value(0).get_node()
        maker.set_friendly_name(names.get(maker.get_friendly_name(), maker.get_friendly_name()))
    for op in model.get_ops():
        if op.get_type_name() in _COMPUTING:
            op.get_rt_info()[_MARK] = op.get_friendly_name().removesuffix(_WITHOUT_BIAS)


def name_layers(model: Any) -> None:
    """Give computing nodes their ONNX names again, after transformations that named them after what they fused."""
    ops = model.get_ops()
    taken = {op.get_friendly_name() for op in ops}
    for op in ops:
        told = op.get_rt_info()
        if op.get_type_name() in _COMPUTING and _MARK in told and (name := told[_MARK].astype(str)) not in taken:
            op.set_friendly_name(name)


def layers_of_compiled(compiled: Any, model: Any) -> tuple[EngineLayer, ...]:
    """In execution order, without what is computed once, at compilation.

    Args:
        compiled: openvino.CompiledModel of a CPU.
        model: the openvino.Model that it was compiled from; it tells nodes of the graph from what the plugin added.
    """
    computing = (op for op in model.get_ops() if op.get_type_name() not in (_QUANTIZE, "Constant"))
    nodes = {op.get_friendly_name().removesuffix(_WITHOUT_BIAS) for op in computing}
    constant: set[str] = set()
    layers = []
    for op in compiled.get_runtime_model().get_ordered_ops():
        told = op.get_rt_info()
        name, kind = op.get_friendly_name(), told["layerType"].astype(str)
        sources = [value.get_node().get_friendly_name() for value in op.input_values()]
        if kind == "Const" or (sources and constant.issuperset(sources)):
            constant.add(name)
        elif kind not in _NO_LAYERS:
            origins = told["originalLayersNames"].astype(str).replace(_WITHOUT_BIAS, "").split(",")
            fused = tuple(origin for origin in dict.fromkeys(origins) if origin in nodes)
            reformat = kind in _REFORMATS or (kind in _MAY_QUANTIZE and not fused)
            ran = FLOAT if reformat else _PRECISIONS.get(told["runtimePrecision"].astype(str), FLOAT)
            layers.append(EngineLayer(name=name, nodes=fused, precision=ran, reformat=reformat))
    return tuple(layers)


def mean_times_ms(request: Any) -> dict[str, float]:
    """Mean milliseconds of each layer that took any, over all runs since compilation with PERF_COUNT."""
    executed = library().ProfilingInfo.Status.EXECUTED
    infos = (info for info in request.get_profiling_info() if info.status == executed)
    return {info.node_name: info.real_time.total_seconds() * 1e3 for info in infos}
