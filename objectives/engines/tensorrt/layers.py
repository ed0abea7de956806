"""The layers of a TensorRT engine, as its inspector tells them: in full if it was built with detailed verbosity."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ....spaces.precision import FLOAT, QUANTIZED, Precision
from ..inspection import EngineLayer

if TYPE_CHECKING:
    import tensorrt

_ORIGIN = re.compile(r"\[ONNX Layer: ([^\]]+)\]")


def layers_of_engine(trt: Any, engine: tensorrt.ICudaEngine) -> tuple[EngineLayer, ...]:
    """In execution order.

    Args:
        trt: TensorRT's Python module, or that for RTX.
    """
    return layers_from_json(engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON))


def layers_from_json(text: str) -> tuple[EngineLayer, ...]:
    """What `EngineInspector.get_engine_information` gave.

    With less than detailed verbosity layers are mere names: then only reformats are known, by their names.
    Version 8.6 separates what it records of a layer's origin by control characters, which JSON does not allow.
    """
    told = json.loads(text, strict=False)["Layers"]
    layers = (layer if isinstance(layer, dict) else {"Name": str(layer)} for layer in told)
    return tuple(_layer(layer) for layer in layers)


def _layer(layer: dict[str, Any]) -> EngineLayer:
    name = layer["Name"]
    if layer.get("LayerType") == "NoOp":  # a reformat or reshape that needed no kernel
        return EngineLayer(name=name, nodes=(), precision=FLOAT, reformat=False)
    if _is_reformat(layer):
        return EngineLayer(name=name, nodes=(), precision=FLOAT, reformat=True)
    return EngineLayer(name=name, nodes=_origins(layer), precision=_precision(layer), reformat=False)


def _is_reformat(layer: dict[str, Any]) -> bool:
    """A slice is run by the same kernels, and says so."""
    if layer["Name"].startswith("Reformatting CopyNode"):
        return True
    return "Reformat" in layer.get("LayerType", "") and layer.get("Origin") != "SLICE"


def _precision(layer: dict[str, Any]) -> Precision | None:
    """What it reads. None of a mere name, and of a ForeignNode, whose many nodes have types of their own within."""
    if "Inputs" not in layer or "ForeignNode" in layer["Name"]:
        return None
    types = [str(tensor.get("Format/Datatype", tensor.get("Format", ""))) for tensor in layer["Inputs"]]
    return next((p for p in QUANTIZED if any(p.name in kind.lower() for kind in types)), FLOAT)


def _origins(layer: dict[str, Any]) -> tuple[str, ...]:
    """The graph's nodes that became this layer: TensorRT's own record, or else its name, which joins theirs."""
    recorded = _ORIGIN.findall(str(layer.get("Metadata", "")))
    return tuple(recorded or (part.strip() for part in layer["Name"].split(" + ")))
