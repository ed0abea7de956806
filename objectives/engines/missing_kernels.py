"""Layers that a library has no INT8 kernel for on this device, as failed builds have told; each is learned once."""

from __future__ import annotations

import json
from pathlib import Path

from ...errors import NoKernelError
from ...spaces.masks import LayerMask
from ...spaces.precision import INT8, Precision
from ..store import content_key, disk_errors, write_whole
from ..store.turn import turn
from . import engine_kind
from .options import EngineOptions


class MissingKernels:
    """What is known of one model, one way to build and one device, shared by all processes that share the folder.

    Nothing is ever missing of a kind that chooses no kernels as it builds, or that cannot build here.

    Args:
        options: how engines are built; what is learned is kept in their `shared_dir`, if they have one.
        model: the model's content hash, since another's layers may have the same names.
        precision: what there is no kernel in.
    """

    def __init__(self, options: EngineOptions, *, model: str, precision: Precision = INT8) -> None:
        self._kind, self._precision = engine_kind(options.kind), precision
        self._path: Path | None = None
        self._known: dict[str, str] = {}
        if options.shared_dir is None or not self._kind.chooses_kernels or not self._kind.availability().can_build:
            return
        key = content_key(
            model=model,
            options={name: value for name, value in options.key().items() if name != "keep_fp32"},
            versions=self._kind.versions(),
            device=self._kind.device_name(),
        )
        self._path = options.shared_dir / f"no-{precision.name}-kernel-{key}.json"

    def known(self) -> dict[str, str]:
        """Layer -> what the build said.

        Raises:
            DiskError: what is kept cannot be read.
        """
        if self._path is not None and self._path.is_file():
            with disk_errors(self._path.parent):
                self._known |= json.loads(self._path.read_text(encoding="utf-8"))
        return dict(self._known)

    def learned(self, error: NoKernelError, mask: LayerMask) -> NoKernelError | None:
        """Keep which of a failed build's layers in this precision have no kernel.

        Returns:
            The error with what follows from it; None if no such layer was at fault.

        Raises:
            DiskError: it cannot be kept.
        """
        asked = mask.by_layer()
        missing = [name for name in error.nodes if asked.get(name) == self._precision]
        if not missing:
            return None
        self._keep(dict.fromkeys(missing, str(error)))
        return NoKernelError(
            f"No {self._precision.title} kernel for {' and '.join(missing)} in {self._kind.name} on "
            f"{self._kind.device_name()}: float from now on, in every candidate. {error}",
            nodes=error.nodes,
        )

    def _keep(self, new: dict[str, str]) -> None:
        self._known |= new
        if self._path is None:
            return
        with disk_errors(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        with turn(self._path.with_suffix(".lock")):
            write_whole(self._path, json.dumps(new | self.known(), indent=1) + "\n")
