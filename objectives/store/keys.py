"""Keys: the hash of everything that decided what a step made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path


def content_key(*, made_by: int = 1, **inputs: object) -> str:
    """Hash of JSON-able inputs: 32 hex digits, the same on every machine and in every run.

    Args:
        made_by: version of our code that makes what has the key, which stands beside it and is raised when it would
            make something else; the first is in no key. `tests/entry_versions.py` lists which code that is.
    """
    inputs |= {"made_by": made_by} if made_by > 1 else {}
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_hash(paths: Path | Iterable[Path]) -> str:
    """SHA-256 over the bytes of the files, in the given order: 32 hex digits. Names do not count."""
    digest = hashlib.sha256()
    for path in [paths] if isinstance(paths, Path) else paths:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:32]
