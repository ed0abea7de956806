"""A detector's file, as people have it, made what everything else takes.

That is one ONNX file: float32, one image size, batch 1, nodes in order and each with a name of its own, the weights of
its layers initializers. A file that is such a one is taken as it is, by its own SHA-256. Of any other, what was made of
it lies in the store, under a key of its bytes, those of the files of its weights, and the input's shape.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from ....errors import ModelError
from ....spaces.model import DetectorModel, described, unreadable
from ....spaces.tensors import inputs_of_graph
from ...isolation.child import run_in_child
from ...store import Store, content_key, file_hash
from ..batch import with_batch
from ..batch_proof import TIMEOUT_S, prove_single
from ..graph import drop_unread
from .files import load_with_data, refuse_quantized
from .floats import widen_floats
from .nodes import lift_constants, name_nodes_apart, sort_nodes
from .sizes import ImageSize, add_batch_axis, fix_sizes

READING = 1  # its version, see `content_key`

_log = logging.getLogger(__name__)


def model_of_file(path: Path, store: Store, *, imgsz: ImageSize | None = None) -> DetectorModel:
    """Read an .onnx; what has to be changed is changed in a copy, and told once.

    Args:
        imgsz: height and width that a graph of any size is to take; None for what its exporter noted.

    Raises:
        ModelError: the file or one of its weights is missing or unreadable; it is quantized already; it takes other
            images, or is of no fixed size and none is named.
        DiskError: the cache cannot be written.
    """
    import onnx

    graph, data = load_with_data(path)
    refuse_quantized(graph, path)
    done = [f"its weights lie in {', '.join(file.name for file in data)}"] if data else []
    steps = (
        sort_nodes(graph, path.name),
        widen_floats(graph),
        fix_sizes(graph, imgsz, path.name),
        add_batch_axis(graph),
        lift_constants(graph),
        name_nodes_apart(graph),
    )
    done += filter(None, steps)
    batch = _batch(graph)
    single = _of_one_image(graph, path.name) if batch > 1 else graph
    try:
        onnx.checker.check_model(single)
    except onnx.checker.ValidationError as error:
        raise unreadable(path, error) from error
    if not done and single is graph:
        return described(graph, path, content_hash=hashlib.sha256(path.read_bytes()).hexdigest()[:32])
    found = described(single, path, content_hash="")  # refuses before anything is written
    key = content_key(files=file_hash([path, *data]), shape=found.input_shape, made_by=READING)

    def fill(folder: Path) -> None:
        onnx.save(single, folder / path.name)
        if single is not graph:
            done.append(f"its batch of {batch} is 1 now (engine.batch gives engines another)")
            _prove(graph, folder / path.name, store.root / "logs" / f"model-{key}.log")
        _log.info("%s is searched as a copy, in which %s.", path.name, ", ".join(done))

    entry = content_key(content=key, name=path.name)
    made = store.make("models", entry, fill, kept=True) / path.name
    return replace(described(single, made, content_hash=key), exported_batch=batch)


def _batch(graph: Any) -> int:
    """Of its image input; 1 where it has no single one, which `described` refuses."""
    inputs = inputs_of_graph(graph.graph)
    dims = inputs[0].type.tensor_type.shape.dim if len(inputs) == 1 else ()
    return int(dims[0].dim_value) if dims else 1


def _of_one_image(graph: Any, name: str) -> Any:
    """The graph at batch 1, in which it is calibrated; as it is where it cannot be given that."""
    try:
        single = with_batch(graph, 1)
        drop_unread(single.graph)  # sizes of the other batch
        return single
    except ModelError as error:
        _log.warning("%s is calibrated in its own batches, on which entropy's scales depend. %s", name, error)
        return graph


def _prove(batched: Any, single: Path, log_path: Path) -> None:
    """That an image gets at batch 1 what it got in the batch that the model was exported for."""
    import onnx

    aside = single.with_name("batched.onnx")
    onnx.save(batched, aside)
    run_in_child(prove_single, single, aside, timeout_s=TIMEOUT_S, log_path=log_path)
    aside.unlink()
