"""An engine that was built, by where it lies: small to hand to another process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import EngineError
from ..store import is_whole, touch
from . import engine_kind
from .base import Engine, EngineKind
from .options import EngineOptions


@dataclass(frozen=True)
class EngineRef:
    """An engine's folder, and how it was built and is run.

    Args:
        folder: of the store, named by the engine's key; or a copy of such a one.
    """

    folder: Path
    options: EngineOptions

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def kind(self) -> EngineKind:
        return engine_kind(self.options.kind)

    def load(self) -> Engine:
        """Load it, sure that it is what was built.

        Raises:
            EngineError: it is not, or this device cannot run it.
        """
        if not self._is_whole():
            raise EngineError(
                f"The engine in {self.folder} is not what was built there: something changed or cut its files. It is "
                "built again when next needed; if this happens again, check the disk, or name another cache (--set "
                "cache=FOLDER)."
            )
        return self.kind.load(self.folder, self.options)

    def _is_whole(self) -> bool:
        try:
            touch(self.folder)  # in use: not to be evicted between the steps of a trial
            return is_whole(self.folder)
        except FileNotFoundError:
            return False
