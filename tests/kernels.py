"""A timing cache for engines of a kind that keeps none of its own."""

from __future__ import annotations

from pathlib import Path

from qpareto.objectives.engines import EngineKind, EngineOptions


def kernels_of_shared_dir(kind: EngineKind, options: EngineOptions) -> Path:
    del kind
    assert options.shared_dir is not None
    return options.shared_dir / "kernels"
