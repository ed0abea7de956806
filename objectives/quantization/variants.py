"""Graphs that differ from one graph in little, run on the same images: what a variant shares with it is run once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

TOGETHER = 16  # variants whose sessions are held at once: bounds memory

Tensors = Mapping[str, NDArray[Any]]
Outputs = tuple[NDArray[np.float32], ...]
T = TypeVar("T")


def judge_variants(
    base: Any, variants: Iterable[Any], feeds: Iterable[Tensors], judge: Callable[[int, Outputs], T]
) -> Iterator[list[T]]:
    """Run every variant on every feed, and tell what the judge says of its outputs.

    ONNX Runtime computes in float32 what Q/DQ rounds to, so that results do not depend on which INT8 instructions this
    machine has. A variant that differs from the base late in the network costs little: only what lies behind the first
    difference is run for it. As many variants run side by side as there are cores.

    Args:
        base: an `onnx.ModelProto`.
        variants: graphs with the base's tensor names, as `CalibratedModel.with_mask` makes them; taken 16 at a time.
        feeds: inputs of the model; read anew for every 16 variants.
        judge: called with a feed's index and the outputs in graph order, in several threads at once.

    Yields:
        For each variant in turn, what the judge said of each feed.
    """
    waiting = iter(variants)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while some := [_suffix(base, variant) for variant in islice(waiting, TOGETHER)]:
            yield from _judged_together(base, some, feeds, judge, pool=pool)


def outputs_of_graph(model: Any, feeds: Iterable[Tensors]) -> list[Outputs]:
    """The outputs of one graph for every feed, computed as those of variants are."""
    session = _session(model, threads=0)
    return [tuple(session.run(None, dict(feed))) for feed in feeds]


def _judged_together(
    base: Any,
    suffixes: Sequence[Any],
    feeds: Iterable[Tensors],
    judge: Callable[[int, Outputs], T],
    *,
    pool: ThreadPoolExecutor,
) -> list[list[T]]:
    outputs = [value.name for value in base.graph.output]
    prefix = GraphTensors(base, {tensor for suffix in suffixes for tensor in _frontier(suffix)} | set(outputs))
    shared = map(prefix.run, feeds)
    first = next(shared)
    sessions = list(pool.map(partial(_suffix_session, like=first), suffixes))

    def verdict(session: Any, feed: int, tensors: Tensors) -> T:
        own = session.run(None, {value.name: tensors[value.name] for value in session.get_inputs()})
        changed = dict(zip((value.name for value in session.get_outputs()), own, strict=True))
        return judge(feed, tuple(changed.get(name, tensors[name]) for name in outputs))

    said = [
        list(pool.map(partial(verdict, feed=i, tensors=tensors), sessions))
        for i, tensors in enumerate(chain([first], shared))
    ]
    return [list(verdicts) for verdicts in zip(*said, strict=True)]


class GraphTensors:
    """A graph, run for some of its tensors; a feed's own come with them."""

    def __init__(self, graph: Any, tensors: set[str]) -> None:
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(graph)
        self._computed = sorted(tensors - {value.name for value in graph.graph.input})
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self._computed)
        self._session = _session(model, threads=0)

    def run(self, feed: Tensors) -> Tensors:
        return dict(feed) | dict(zip(self._computed, self._session.run(self._computed, dict(feed)), strict=True))


def _suffix(base: Any, variant: Any) -> Any:
    """What a variant computes otherwise than the base: a graph without inputs, which `_suffix_session` gives it.

    Tensor names are the same in both, so a node is shared if it reads the same names and none of them has changed.
    """
    import onnx

    reads = {node.output[0]: list(node.input) for node in base.graph.node}
    changed: set[str] = set()
    kept = []
    for node in variant.graph.node:
        constant = not node.input
        if constant or list(node.input) != reads.get(node.output[0]) or not changed.isdisjoint(node.input):
            kept.append(node)
            changed.update(() if constant else node.output)
    read = {tensor for node in kept for tensor in node.input}
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            kept,
            "suffix",
            [],
            [value for value in variant.graph.output if value.name in changed],
            [weight for weight in variant.graph.initializer if weight.name in read],
        ),
        opset_imports=variant.opset_import,
        ir_version=variant.ir_version,
    )


def _frontier(suffix: Any) -> set[str]:
    """Tensors that a suffix reads and does not make."""
    made = {name for node in suffix.graph.node for name in node.output}
    made |= {weight.name for weight in suffix.graph.initializer}
    return {tensor for node in suffix.graph.node for tensor in node.input if tensor} - made


def _suffix_session(suffix: Any, *, like: Tensors) -> Any:
    """A session whose inputs are the suffix's frontier, of the types and shapes of these tensors."""
    from onnx import helper

    suffix.graph.input.extend(
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(like[name].dtype), like[name].shape)
        for name in sorted(_frontier(suffix))
    )
    return _session(suffix, threads=1)


def _session(model: Any, *, threads: int) -> Any:
    """An ONNX Runtime session in float32 arithmetic; 0 threads means as many as there are cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to others
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
