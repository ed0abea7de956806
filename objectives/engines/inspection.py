"""What really runs in an engine: what its layers compute in, and which only reformat.

A library fuses the graph's nodes, may leave some in float against the mask, and puts layers of its own where a tensor
changes its type, scale or layout. Each kind lists its engine's layers as `EngineLayer`; their summary, `Inspection`,
is kept beside the engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ...spaces.masks import LayerMask
from ...spaces.precision import QUANTIZED, Precision

INSPECTION = "inspection.json"  # in an engine's folder
_LAYERS = "layers.json"  # there too: the names of the layers of its graph, by what they compute


@dataclass(frozen=True, kw_only=True)
class EngineLayer:
    """One layer of an engine, often many of the graph's nodes in one.

    Args:
        name: as the library calls it, unique in the engine.
        nodes: names of the graph's nodes that run in it; empty for what the library put in by itself.
        precision: of the values that it computes on; float of a reformat, None where the engine does not tell.
        reformat: whether it only turns a tensor's type, scale or layout.
    """

    name: str
    nodes: tuple[str, ...]
    precision: Precision | None
    reformat: bool


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A summary of an engine.

    Args:
        layers: that the engine has.
        nodes: by quantized precision, names of the graph's nodes that run in an engine layer that computes in it.
        reformats: names of engine layers that only turn a tensor's type, scale or layout; a float engine has some too.
        opaque: engine layers that do not tell what they compute in.
    """

    layers: int
    nodes: Mapping[Precision, tuple[str, ...]]
    reformats: tuple[str, ...]
    opaque: int

    @classmethod
    def of_layers(cls, layers: Iterable[EngineLayer]) -> Inspection:
        found = list(layers)
        return cls(
            layers=len(found),
            nodes={
                precision: tuple(dict.fromkeys(node for x in found if x.precision == precision for node in x.nodes))
                for precision in QUANTIZED
            },
            reformats=tuple(layer.name for layer in found if layer.reformat),
            opaque=sum(layer.precision is None for layer in found),
        )

    def ran_as(self, mask: LayerMask, names: Mapping[str, str] = MappingProxyType({})) -> int | None:
        """How many of a mask's quantized layers ran in its precision; None where the engine does not tell.

        Args:
            names: of layers that have another name in the engine's own graph, that name.
        """
        if self.opaque and not any(self.nodes.values()):
            return None
        ran = {(name, precision) for precision, nodes in self.nodes.items() for name in nodes}
        return len(ran & {(names.get(layer, layer), precision) for layer, precision in mask.by_layer().items()})

    def save(self, folder: Path) -> None:
        ran = {precision.name: nodes for precision, nodes in self.nodes.items()}
        told = {"layers": self.layers, **ran, "reformats": self.reformats, "opaque": self.opaque}
        (folder / INSPECTION).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Inspection | None:
        """What a build left in an engine's folder; None where the machine that built it could not tell."""
        try:
            found = json.loads((folder / INSPECTION).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(
            layers=found["layers"],
            nodes={precision: tuple(found.get(precision.name, ())) for precision in QUANTIZED},
            reformats=tuple(found["reformats"]),
            opaque=found["opaque"],
        )


def save_layers(folder: Path, layers: Mapping[str, str]) -> None:
    """Note beside an engine what its graph calls its layers, since graphs of other names share it.

    Args:
        layers: by name, a digest of what it computes.
    """
    told = {digest: name for name, digest in layers.items()}
    (folder / _LAYERS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def names_in_engine(folder: Path, layers: Mapping[str, str]) -> dict[str, str]:
    """What the engine's own graph calls the layers of an equal graph; nothing where it does not tell.

    Args:
        layers: by name, a digest of what it computes.
    """
    try:
        told = json.loads((folder / _LAYERS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {name: told[digest] for name, digest in layers.items() if digest in told}
