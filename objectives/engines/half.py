"""FP32 outside of INT8 turned into FP16, for engines that run the types that the graph says.

ModelOpt's AutoCast does this too, and decides here which tensors must stay FP32 (`quantization/float_range.py`); on
YOLO11n it takes 9 s a graph with its imports, this 0.2 s, and a search casts a graph a trial. The result is the same
kind of graph: FP16 scales at every Q and DQ, so that no Cast stands between a DQ and the layer that it feeds, where it
would keep a TensorRT from running that layer in INT8.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from ...spaces.tensors import types_of_tensors

_OPSET = 19  # the first whose QuantizeLinear takes FP16
_SMALLEST = 2.0**-24  # of FP16 above 0: a scale that became 0 would divide by it
_LARGEST = 65504.0

# op -> inputs that the ONNX standard wants in FP32
_FLOAT_INPUTS = {"Resize": {1, 2}}
# What has no FP16 form in the standard, or whose output's type does not follow its inputs.
_FLOAT_OPS = {"NonMaxSuppression", "ConstantOfShape", "RandomNormal", "RandomUniform", "Range"}


def half_precision(model: Any, *, keep: Collection[str] = ()) -> Any:
    """A copy of the graph that computes in FP16; its inputs and outputs stay FP32, and keep their names.

    Args:
        model: onnx.ModelProto, float32, with or without Q/DQ. Shapes are static.
        keep: tensors that are computed in FP32, with Casts around the nodes that compute them.

    Raises:
        ValueError: the graph cannot be raised to the opset that FP16 scales need.
    """
    import onnx

    raised = _at_opset(model)
    floats = {name for name, (element, _) in types_of_tensors(raised).items() if element == onnx.TensorProto.FLOAT}
    floats.difference_update(weight.name for weight in raised.graph.initializer)
    return _Caster(raised, floats=floats, keep=frozenset(keep)).cast()


def _at_opset(model: Any) -> Any:
    import onnx

    version = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if version >= _OPSET:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        return copy
    try:
        raised = onnx.version_converter.convert_version(model, _OPSET)
    except RuntimeError as error:
        raise ValueError(f"its opset {version} cannot be raised to {_OPSET} ({error})") from error
    raised.ir_version = max(raised.ir_version, 9)
    return raised


class _Caster:
    """One walk over a graph in its order.

    Args:
        model: changed in place.
        floats: tensors that are FP32 in it, initializers aside.
        keep: of these, what stays so.
    """

    def __init__(self, model: Any, *, floats: set[str], keep: frozenset[str]) -> None:
        self._model, self._floats, self._keep = model, floats, keep
        self._weights = {weight.name: weight for weight in model.graph.initializer}
        self._is_half: dict[str, bool] = {}  # FP32 tensor of the given graph -> what it is now
        self._casts: dict[tuple[str, bool], str] = {}
        self._nodes: list[Any] = []
        self._new_weights: dict[str, Any] = {}

    def cast(self) -> Any:
        import onnx

        graph = self._model.graph
        self._fold_constants()
        outputs = {value.name for value in graph.output} & self._floats
        self._is_half |= {value.name: False for value in graph.input}
        stays = self._staying(list(graph.node))
        for node, float32 in zip(list(graph.node), stays, strict=True):
            self._node(node, half=not float32)
        for name in sorted(outputs):
            self._restore_output(name)
        used = {name for node in self._nodes for name in node.input}
        weights = [w for w in (*self._weights.values(), *self._new_weights.values()) if w.name in used]
        weights = [onnx.TensorProto.FromString(weight.SerializeToString()) for weight in weights]
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in self._nodes]
        for field, items in ((graph.node, nodes), (graph.initializer, weights), (graph.value_info, [])):
            del field[:]
            field.extend(items)
        return self._model

    def _fold_constants(self) -> None:
        """Constants become initializers, which are cast for free."""
        import onnx

        for node in [n for n in self._model.graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"]:
            weight = onnx.TensorProto()
            weight.CopyFrom(node.attribute[0].t)
            weight.name = node.output[0]
            self._weights[weight.name] = weight
            self._floats.discard(weight.name)
            self._model.graph.node.remove(node)

    def _staying(self, nodes: list[Any]) -> list[bool]:
        """Which nodes stay FP32: those that compute a kept tensor, or must; and Q and DQ with what they stand at."""
        stay = [node.op_type in _FLOAT_OPS or not self._keep.isdisjoint(node.output) for node in nodes]
        producer = {tensor: i for i, node in enumerate(nodes) for tensor in node.output}
        readers: dict[str, list[int]] = {}
        for i, node in enumerate(nodes):
            for tensor in node.input:
                readers.setdefault(tensor, []).append(i)
        for i, node in enumerate(nodes):
            if node.op_type == "QuantizeLinear" and node.input[0] in producer:
                stay[i] = stay[producer[node.input[0]]]
            if node.op_type == "DequantizeLinear" and (found := readers.get(node.output[0])):
                stay[i] = all(stay[reader] for reader in found)
        return stay

    def _node(self, node: Any, *, half: bool) -> None:
        exempt = _FLOAT_INPUTS.get(node.op_type, set())
        for i, tensor in enumerate(node.input):
            wanted = half and i not in exempt
            if tensor in self._weights:
                node.input[i] = self._weight(tensor, half=wanted)
            elif tensor in self._floats:
                node.input[i] = self._tensor(tensor, half=wanted)
        if half and node.op_type == "Cast":
            self._retarget(node)
        self._is_half |= {tensor: half for tensor in node.output if tensor in self._floats}
        self._nodes.append(node)

    def _retarget(self, node: Any) -> None:
        import onnx

        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == onnx.TensorProto.FLOAT:
                attribute.i = onnx.TensorProto.FLOAT16

    def _weight(self, name: str, *, half: bool) -> str:
        """The initializer as it is, or its FP16 form, made once."""
        import onnx

        weight = self._weights[name]
        if not half or weight.data_type != onnx.TensorProto.FLOAT:
            return name
        new = f"{name}:fp16"
        if new not in self._new_weights:
            self._new_weights[new] = onnx.numpy_helper.from_array(_halved(onnx.numpy_helper.to_array(weight)), new)
        return new

    def _tensor(self, name: str, *, half: bool) -> str:
        """The tensor if it is of that type, or else its Cast, made once and just before its first reader."""
        if self._is_half[name] == half:
            return name
        if (name, half) not in self._casts:
            self._casts[name, half] = self._add_cast(name, f"{name}:{'fp16' if half else 'fp32'}", half=half)
        return self._casts[name, half]

    def _add_cast(self, source: str, target: str, *, half: bool) -> str:
        from onnx import TensorProto, helper

        to = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self._nodes.append(helper.make_node("Cast", [source], [target], name=f"{target}/Cast", to=to))
        return target

    def _restore_output(self, name: str) -> None:
        """A model's output keeps its name and FP32."""
        if not self._is_half[name]:
            return
        inner = f"{name}:inner"
        for node in self._nodes:
            for field in (node.input, node.output):
                for i, tensor in enumerate(field):
                    if tensor == name:
                        field[i] = inner
        self._add_cast(inner, name, half=False)


def _halved(values: Any) -> Any:
    """FP16, clipped to its range; what is above 0 stays so."""
    clipped = np.clip(values, -_LARGEST, _LARGEST)
    tiny = (clipped != 0) & (np.abs(clipped) < _SMALLEST)
    return np.where(tiny, np.copysign(_SMALLEST, clipped), clipped).astype(np.float16)
