"""Engine from quantized ONNX: built once per graph, options, library version and device, in a child process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from ..isolation.child import run_in_child
from ..isolation.lock import device_lock
from ..store import Store, content_key, disk_errors
from . import engine_kind
from .base import EngineKind, Infers
from .in_turns import loaded_in_turns
from .inspection import save_layers
from .options import EngineOptions
from .ref import EngineRef
from .timings import name_of_timings

Proof = Callable[[Infers, Path, Path], None]  # the loaded engine, its graph, its folder; to be pickled


def engine_from_onnx(  # noqa: PLR0913 - all but the first four by name
    onnx_path: Path,
    graph_hash: str,
    options: EngineOptions,
    store: Store,
    *,
    proof: Proof | None = None,
    build: int = 0,
    layers: Mapping[str, str] | None = None,
) -> EngineRef:
    """The engine, built if nobody has built it yet, and built again if it is damaged.

    Args:
        onnx_path: the quantized graph.
        graph_hash: canonical hash of that graph: equal graphs share one engine.
        options: how to build; all but paths and time limits decide what the engine is.
        proof: called in the child process with what was built, where it can run: an engine that fails it is none.
        layers: names of its layers, noted beside it: see `save_layers`.
        build: another number is another build of the same graph, which may choose other kernels.
        store: gets the engine; a failed build leaves nothing there but its log, `logs/engine-*.log`.

    Raises:
        EngineError: the build failed, crashed or outlasted `options.build_timeout_s`.
        DiskError: the store cannot be written.
    """
    if found := find_engine(graph_hash, options, store, build=build):
        return found
    key, kind = _key(graph_hash, options, store, build), engine_kind(options.kind)
    log_path = store.root / "logs" / f"engine-{key}-{os.getpid()}.log"

    def fill(folder: Path) -> None:
        run_in_child(
            build_engine,
            *(onnx_path, folder, options, proof),
            timeout_s=options.build_timeout_s,
            limit="engine.build_timeout_s",
            log_path=log_path,
            kept=kind.name if kind.stays_loaded else None,
        )
        log_path.unlink()
        if layers:
            save_layers(folder, layers)

    return EngineRef(store.make("engines", key, fill), options)


def build_engine(onnx_path: Path, engine_dir: Path, options: EngineOptions, proof: Proof | None = None) -> None:
    """`EngineKind.build` and its proof, as a child process can be asked to call them."""
    kind = engine_kind(options.kind)
    with disk_errors(engine_dir.parent):
        kind.build(onnx_path, engine_dir, options)
        if proof is not None and kind.availability().can_run:
            with loaded_in_turns(partial(kind.load, engine_dir, options), partial(built_engines_run, kind)) as engine:
                proof(engine, onnx_path, engine_dir)


def built_engines_run(kind: EngineKind) -> AbstractContextManager[None]:
    """What was just built may run, in the process that built it: beside its like, and beside no timing.

    Holds nothing for a kind whose device is held from before its build: see `EngineKind.times_kernels_alone`.
    """
    return device_lock(kind.device_id(), exclusive=False) if kind.times_kernels_alone() else nullcontext()


def find_engine(graph_hash: str, options: EngineOptions, store: Store, *, build: int = 0) -> EngineRef | None:
    """An engine that somebody has built; None if nobody has, or its files are not what was built.

    Libraries load many a damaged engine without a word, and it runs, wrongly: the store sets such a one aside.
    """
    folder = store.find("engines", _key(graph_hash, options, store, build))
    return None if folder is None else EngineRef(folder, options)


def engine_bytes(engine_dir: Path) -> int:
    """Size of an engine: of all its files, weights and graph, but for what is only told about it, in JSON."""
    return sum(path.stat().st_size for path in engine_dir.rglob("*") if path.is_file() and path.suffix != ".json")


def _key(graph_hash: str, options: EngineOptions, store: Store, build: int) -> str:
    kind = engine_kind(options.kind)
    named: dict[str, Any] = {}  # no key of 0.1 has any
    if (timings := kind.timing_cache(options)) and (name := name_of_timings(timings, store)):
        named = {"timings": name}
    return content_key(
        graph=graph_hash,
        options=options.key(),
        versions=kind.versions(),
        recipe=kind.recipe,
        build=build,
        device=kind.device_name(),  # an engine is proven to build, and often tuned, on the device that built it
        **named,
    )
