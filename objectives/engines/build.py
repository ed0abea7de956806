"""Engine from quantized ONNX: built once per graph, options, library version and device, in a child process."""

from __future__ import annotations

import os
from pathlib import Path

from ..store import Store, content_key, disk_errors
from . import engine_kind
from .base import INSPECTION, EngineOptions
from .child import run_in_child


def engine_from_onnx(onnx_path: Path, graph_hash: str, options: EngineOptions, store: Store) -> Path:
    """The folder of the engine, built if nobody has built it yet.

    Args:
        onnx_path: the quantized graph.
        graph_hash: canonical hash of that graph: equal graphs share one engine.
        options: how to build; all but paths and time limits decide what the engine is.
        store: gets the engine; a failed build leaves nothing there but its log, `logs/engine-*.log`.

    Raises:
        EngineError: the build failed, crashed or outlasted `options.build_timeout_s`.
        DiskError: the store cannot be written.
    """
    kind = engine_kind(options.kind)
    key = content_key(
        graph=graph_hash,
        options=options.identity(),
        versions=kind.versions(),
        device=kind.device_name(),  # an engine is proven to build, and often tuned, on the device that built it
    )
    log_path = store.root / "logs" / f"engine-{key}-{os.getpid()}.log"

    def fill(folder: Path) -> None:
        run_in_child(build_engine, onnx_path, folder, options, timeout_s=options.build_timeout_s, log_path=log_path)
        log_path.unlink()

    return store.make("engines", key, fill)


def build_engine(onnx_path: Path, engine_dir: Path, options: EngineOptions) -> None:
    """`EngineKind.build`, as a function that a child process can be asked to call."""
    with disk_errors(engine_dir.parent):
        engine_kind(options.kind).build(onnx_path, engine_dir, options)


def engine_bytes(engine_dir: Path) -> int:
    """Size of an engine: of all its files, weights and graph, but for what is only told about it."""
    return sum(path.stat().st_size for path in engine_dir.rglob("*") if path.is_file() and path.name != INSPECTION)
