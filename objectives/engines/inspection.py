"""What really runs in an engine: which of its layers compute in INT8, and which only reformat.

A library fuses the graph's nodes, may leave some in float against the mask, and puts layers of its own where a tensor
changes its type, scale or layout. Each kind lists its engine's layers as `EngineLayer`; their summary, `Inspection`,
is kept beside the engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

INSPECTION = "inspection.json"  # in an engine's folder


@dataclass(frozen=True, kw_only=True)
class EngineLayer:
    """One layer of an engine, often many of the graph's nodes in one.

    Args:
        name: as the library calls it, unique in the engine.
        nodes: names of the graph's nodes that run in it; empty for what the library put in by itself.
        int8: whether it computes on INT8 values, which a reformat never does; None where the engine does not tell.
        reformat: whether it only turns a tensor's type, scale or layout.
    """

    name: str
    nodes: tuple[str, ...]
    int8: bool | None
    reformat: bool


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A summary of an engine.

    Args:
        layers: that the engine has.
        int8: names of the graph's nodes that run inside an engine layer that computes in INT8.
        reformats: names of engine layers that only turn a tensor's type, scale or layout; a float engine has some too.
        opaque: engine layers that do not tell whether they compute in INT8.
    """

    layers: int
    int8: tuple[str, ...]
    reformats: tuple[str, ...]
    opaque: int

    @classmethod
    def of_layers(cls, layers: Iterable[EngineLayer]) -> Inspection:
        found = list(layers)
        return cls(
            layers=len(found),
            int8=tuple(dict.fromkeys(node for layer in found if layer.int8 for node in layer.nodes)),
            reformats=tuple(layer.name for layer in found if layer.reformat),
            opaque=sum(layer.int8 is None for layer in found),
        )

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
