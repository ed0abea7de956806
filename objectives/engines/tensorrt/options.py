"""The options of TensorRT and of that for RTX, and how a build is told them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ....errors import EngineError
from ..options import HalfOptions, option


@dataclass(frozen=True, kw_only=True)
class BuilderOptions(HalfOptions):
    """What both have; None is the library's default."""

    optimization_level: int | None = option(None, "how long a GPU's kernels are searched for", ge=0, le=5)
    workspace_mib: int | None = option(None, "GPU memory that a kernel may use for itself", ge=1)

    def configure(self, trt: Any, config: Any, title: str) -> None:
        """Tell a build, tensorrt.IBuilderConfig.

        Args:
            title: of the library.

        Raises:
            EngineError: its version does not know one of them.
        """
        if self.workspace_mib is not None:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, self.workspace_mib << 20)
        if self.optimization_level is None:
            return
        if not hasattr(config, "builder_optimization_level"):
            raise EngineError(
                f"{title} {trt.__version__} has no optimization levels (8.6 has): leave engine.optimization_level out."
            )
        config.builder_optimization_level = self.optimization_level


@dataclass(frozen=True, kw_only=True)
class TensorRtOptions(BuilderOptions):
    """What TensorRT alone has."""

    kind: str = "tensorrt"
    tactic_sources: tuple[str, ...] | None = option(
        None, "where kernels are taken from, such as [edge_mask_convolutions, jit_convolutions]"
    )
    build_route: str | None = option(None, "TensorRT's own name of a way to build, 11.1 and later")

    def configure(self, trt: Any, config: Any, title: str) -> None:
        super().configure(trt, config, title)
        if self.tactic_sources is not None:
            config.set_tactic_sources(_tactic_sources(trt, self.tactic_sources, title))
        if self.build_route is not None:
            _set_build_route(config, self.build_route, f"{title} {trt.__version__}")


def _tactic_sources(trt: Any, names: Sequence[str], title: str) -> int:
    """The bits of these sources of kernels, which the version must know."""
    known = {name.lower(): int(value) for name, value in trt.TacticSource.__members__.items()}
    if unknown := [name for name in names if name not in known]:
        raise EngineError(
            f"{title} {trt.__version__} does not know the tactic source '{unknown[0]}' (it knows: {', '.join(known)}): "
            "set engine.tactic_sources."
        )
    return sum(1 << known[name] for name in names)


def _set_build_route(config: Any, route: str, what: str) -> None:
    """Versions before 11.1 have no routes."""
    known = str(getattr(config, "all_build_routes", ""))
    if route not in known:
        raise EngineError(
            f"{what} does not know the build route '{route}' (it knows: {known or 'none'}): set engine.build_route."
        )
    config.build_route = route
