"""qpareto: search for the best ways to quantize a detector for the machine it will run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import QParetoError

if TYPE_CHECKING:
    from pathlib import Path

    from .search.api import OpenedStudy

__all__ = ["QParetoError", "__version__", "open"]
__version__ = "0.1.0"


def open(study: str | Path, *overrides: str, device: str | None = None) -> OpenedStudy:  # noqa: A001 - read as `qpareto.open`
    """Look at the study of a study file: its `measurements()`, `plots()` and `results`.

    Args:
        overrides: `KEY=VALUE` of the study file.
        device: whose study, where the file has one for each device model; the only one there is if None.
    """
    from .search.api import open_for_reading

    return open_for_reading(study, overrides, device=device)
