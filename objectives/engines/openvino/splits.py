"""Q/DQ pairs moved from behind a Split to before it, so that OpenVINO splits bytes.

ModelOpt quantizes what a layer reads. Where a convolution's result is split first, as in every C2f and C3k2 block of
a YOLO, the pairs stand behind the Split: OpenVINO then lets the convolution write floats, splits those, and quantizes
each part in a pass of its own. Quantizing works on each value alone, so it may as well happen before the split, each
channel with its own part's scale:

    Q(Split(x)_k; s_k)  =  Split(Q(x; s))_k      with s = s_k on the channels of part k

The pairs behind stay: rounded values that are rounded again with the same scale do not change. docs/quantization.md
tells what it saves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import EngineError
from ....spaces.tensors import constants_of_graph, readers_of_tensors

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"


def graph_that_splits_bytes(onnx_path: Path) -> bytes:
    """A Q/DQ graph as `quantize_before_splits` changes it, serialized.

    Raises:
        EngineError: the file is no graph.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(onnx_path)
    except DecodeError as error:
        raise EngineError(f"OpenVINO cannot read {onnx_path.name}: it is no ONNX file ({error}).") from error
    quantize_before_splits(model)
    return bytes(model.SerializeToString())


def quantize_before_splits(model: Any) -> int:
    """Put a Q/DQ pair before each Split whose results are all read only quantized, in INT8 of one scale a part.

    A result that only one Concat reads counts as read quantized if only one QuantizeLinear reads that Concat.

    Args:
        model: onnx.ModelProto of opset 13 or later; changed in place. What it computes is the same.

    Returns:
        How many Splits that were.
    """
    graph, added = _Graph(model), 0
    for position in reversed(range(len(model.graph.node))):
        node = model.graph.node[position]
        if node.op_type == "Split" and (scales := graph.scales_of_parts(node)):
            for of_pair in reversed(graph.pair_before(node, *scales)):
                model.graph.node.insert(position, of_pair)
            added += 1
    return added


class _Graph:
    """Who reads what, and the constants."""

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        self._constants = model.graph.initializer
        self._values = constants_of_graph(model.graph)
        self._array = numpy_helper.to_array
        self._readers = readers_of_tensors(model.graph)
        for value in model.graph.output:
            self._readers[value.name].append(value)

    def scales_of_parts(self, split: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Scales and zero points along the split axis, (n_channels,) each; None if a part is read otherwise."""
        if len(split.input) != 2 or split.input[1] not in self._values:
            return None
        sizes = self._array(self._values[split.input[1]]).tolist()
        pairs = [self._quantizer_of(tensor) for tensor in split.output]
        scales = [self._operand(pair, 1) for pair in pairs]
        zeros = [self._operand(pair, 2) for pair in pairs]
        if any(found is None or found.size != 1 for found in (*scales, *zeros)):
            return None
        return _along(sizes, scales), _along(sizes, zeros)

    def pair_before(self, split: Any, scales: NDArray[Any], zeros: NDArray[Any]) -> tuple[Any, Any]:
        """QuantizeLinear and DequantizeLinear of what the Split reads, which reads them from then on."""
        from onnx import helper, numpy_helper

        source = split.input[0]
        place = f"{split.name or split.output[0]}/before"
        scale, zero, int8, values = (f"{place}/{what}" for what in ("scale", "zero", "int8", "values"))
        self._constants.extend([numpy_helper.from_array(scales, scale), numpy_helper.from_array(zeros, zero)])
        axis = next((attribute.i for attribute in split.attribute if attribute.name == "axis"), 0)
        split.input[0] = values
        return (
            helper.make_node(_QUANTIZE, [source, scale, zero], [int8], f"{int8}/{_QUANTIZE}", axis=axis),
            helper.make_node(_DEQUANTIZE, [int8, scale, zero], [values], f"{values}/{_DEQUANTIZE}", axis=axis),
        )

    def _quantizer_of(self, tensor: str) -> Any | None:
        """The one QuantizeLinear that all of a tensor's values go to, and nowhere else."""
        reader = self._only_reader(tensor)
        if reader is not None and reader.op_type == "Concat":
            reader = self._only_reader(reader.output[0])
        return reader if reader is not None and reader.op_type == _QUANTIZE else None

    def _only_reader(self, tensor: str) -> Any | None:
        readers = self._readers[tensor]
        return readers[0] if len(readers) == 1 and hasattr(readers[0], "op_type") else None

    def _operand(self, node: Any | None, position: int) -> NDArray[Any] | None:
        if node is None or len(node.input) <= position or node.input[position] not in self._values:
            return None
        found: NDArray[Any] = self._array(self._values[node.input[position]])
        return found


def _along(sizes: list[int], parts: list[Any]) -> NDArray[Any]:
    """(sum of sizes,) each part's one value as often as its size."""
    return np.concatenate([np.full(size, value) for size, value in zip(sizes, parts, strict=True)])
