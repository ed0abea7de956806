"""Precisions: what a layer may run in, and what a Q/DQ pair of each is."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What a layer may run in.

    Args:
        name: as parameters, files and caches say it.
        title: as people write it.
        pair_types: types of ONNX, as `onnx.TensorProto` names them, that its Q/DQ pairs round to; none of float.
        limit: the largest magnitude that such a pair can hold, in steps of its scale.
    """

    name: str
    title: str
    pair_types: tuple[str, ...] = ()
    limit: float = math.inf


FLOAT = Precision(name="float", title="float")  # the engine's float type, whichever that is
INT8 = Precision(name="int8", title="INT8", pair_types=("INT8", "UINT8"), limit=127.0)

QUANTIZED = (INT8,)


def precision_of_pair(onnx_type: str) -> Precision | None:
    """That whose Q/DQ pairs round to this type; None if there is none."""
    return next((precision for precision in QUANTIZED if onnx_type in precision.pair_types), None)
