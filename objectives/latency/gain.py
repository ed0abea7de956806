"""What turning a layer INT8 saves: its time in the float engine less its time in the all-INT8 one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..engines.profile import LayerTime


def gains_of_profiles(
    float_times: Iterable[LayerTime], int8_times: Iterable[LayerTime], layers: Sequence[str]
) -> dict[str, float]:
    """Milliseconds that each layer saves in INT8; below 0 where it takes longer.

    An engine layer may hold several nodes of the graph; the time of one that holds several of these layers is shared
    out among them equally. What reformats cost is not in it: they stand between layers.

    Args:
        float_times, int8_times: of the engines with no and with every layer in INT8.
        layers: names of the graph's nodes; those that a profile does not tell of save nothing.
    """
    of_float, of_int8 = _ms_of_layers(float_times, layers), _ms_of_layers(int8_times, layers)
    return {name: of_float[name] - of_int8[name] if name in of_float and name in of_int8 else 0.0 for name in layers}


def _ms_of_layers(times: Iterable[LayerTime], layers: Sequence[str]) -> dict[str, float]:
    wanted = frozenset(layers)
    found: dict[str, float] = {}
    for time in times:
        held = [name for name in time.nodes if name in wanted]
        for name in held:
            found[name] = found.get(name, 0.0) + time.ms / len(held)
    return found
