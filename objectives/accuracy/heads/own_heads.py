"""Heads of one's own: classes outside of this package, by their import paths."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from ....errors import ModelError
from ...store import file_hash
from .head import Head

PATH = r"([A-Za-z_]\w*\.)*[A-Za-z_]\w*:[A-Za-z_]\w*"  # such as my_package.my_head:MyHead


def imported_head(path: str) -> type[Head]:
    """The class at an import path. Child processes find it as this one does, since they have its search path.

    Raises:
        ModelError: it cannot be imported, or is no whole class of heads.
    """
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:  # whatever somebody's module raises
        raise ModelError(
            f"head: {path} cannot be imported ({error}): correct the path, or put its folder on PYTHONPATH."
        ) from error
    if found is None:
        raise ModelError(f"head: {module} has no {name}: correct the path.")
    if not (inspect.isclass(found) and issubclass(found, Head)):
        raise ModelError(f"head: {path} is no class of heads (qpareto.objectives.accuracy.heads.Head).")
    missing = sorted(found.__abstractmethods__) + [each for each in ("layout", "iou_limit") if not hasattr(found, each)]
    if missing:
        raise ModelError(f"head: {path} has no {' and no '.join(missing)}: see docs/extending.md.")
    if found.kind != f"{found.__module__}:{found.__qualname__}":
        raise ModelError(f"head: {path} calls itself '{found.kind}': leave its `kind` out, so that it is its path.")
    return found


def code_of_head(head: Head) -> str | None:
    """A hash of the file that a head of one's own is written in, for keys; None for one of ours."""
    source = inspect.getsourcefile(type(head)) if ":" in head.kind else None
    return file_hash([Path(source)]) if source else None
