"""What really runs in a TensorRT engine: which layers in INT8, and how many reformats between precisions.

TensorRT's engine inspector tells it as JSON, in full if the engine was built with detailed profiling verbosity.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .base import INSPECTION

_ORIGIN = re.compile(r"\[ONNX Layer: ([^\]]+)\]")


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A summary of an engine.

    Args:
        layers: that the engine has; TensorRT fuses many of the graph's into one.
        int8: names of the graph's nodes that run inside an engine layer with an INT8 input.
        reformats: names of engine layers that only turn a tensor's type or layout.
        opaque: engine layers that hold many nodes and do not tell their types (TensorRT's ForeignNodes).
    """

    layers: int
    int8: tuple[str, ...]
    reformats: tuple[str, ...]
    opaque: int

    def ran_in_int8(self, names: Sequence[str]) -> int | None:
        """How many of these layers ran in INT8; None where the engine does not tell."""
        return None if self.opaque and not self.int8 else len(set(names) & set(self.int8))

    def save(self, folder: Path) -> None:
        (folder / INSPECTION).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Inspection | None:
        """What a build left in an engine's folder; None where the machine that built it could not tell."""
        try:
            found = json.loads((folder / INSPECTION).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}
        return cls(**values)


def inspection_from_json(text: str) -> Inspection:
    """The summary of what `EngineInspector.get_engine_information` gave.

    With less than detailed verbosity layers are mere names: then reformats are known by their names, INT8 is not.
    """
    layers = [_as_dict(layer) for layer in json.loads(text)["Layers"]]
    int8 = [name for layer in layers if _reads_int8(layer) and not _is_reformat(layer) for name in _origins(layer)]
    return Inspection(
        layers=len(layers),
        int8=tuple(dict.fromkeys(int8)),
        reformats=tuple(layer["Name"] for layer in layers if _is_reformat(layer)),
        opaque=sum("ForeignNode" in layer["Name"] for layer in layers),
    )


def _as_dict(layer: Any) -> dict[str, Any]:
    return layer if isinstance(layer, dict) else {"Name": str(layer)}


def _is_reformat(layer: dict[str, Any]) -> bool:
    return "Reformat" in layer.get("LayerType", "") or layer["Name"].startswith("Reformatting CopyNode")


def _reads_int8(layer: dict[str, Any]) -> bool:
    types = [str(tensor.get("Format/Datatype", tensor.get("Format", ""))) for tensor in layer.get("Inputs", [])]
    return any("int8" in kind.lower() for kind in types)


def _origins(layer: dict[str, Any]) -> list[str]:
    """The graph's nodes that became this layer: TensorRT's own record, or else its name, which joins theirs."""
    recorded = _ORIGIN.findall(str(layer.get("Metadata", "")))
    return recorded or [part.strip() for part in layer["Name"].split(" + ")]
