"""Engines: build a quantized ONNX for a device, load it, run it, time it. One contract, one file a kind."""

from __future__ import annotations

from importlib import import_module

from ...errors import StudyFileError
from .base import Availability, Engine, EngineKind
from .options import EngineOptions

__all__ = ["KINDS", "Availability", "Engine", "EngineKind", "EngineOptions", "availability", "engine_kind"]

# kind -> module and class, imported when asked for
KINDS = {
    "openvino": "openvino.kind.OpenVinoKind",
    "tensorrt": "tensorrt.kind.TensorRtKind",
    "tensorrt_rtx": "tensorrt.rtx.TensorRtRtxKind",
}


def availability(name: str) -> Availability:
    """What the kind of this name can do here, as a child process can be asked to tell."""
    return engine_kind(name).availability()


def engine_kind(name: str) -> EngineKind:
    """The kind of this name.

    Raises:
        StudyFileError: there is no such kind.
    """
    if name not in KINDS:
        raise StudyFileError(f"engine.kind is '{name}', but qpareto knows: {', '.join(KINDS)}.")
    module, _, of_kind = KINDS[name].rpartition(".")
    kind: EngineKind = getattr(import_module(f".{module}", __name__), of_kind)()
    return kind
