"""TensorRT's timing cache: one file per GPU model and TensorRT version, shared by workers, merged, never lost."""

from __future__ import annotations

import fcntl
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...store import replace_file
from ..timings import rename_timings

if TYPE_CHECKING:
    import tensorrt

_log = logging.getLogger(__name__)


class TimingCacheFile:
    """What kernels of one GPU took, as other builds timed them. Cuts build time and steadies the choice of kernels.

    Args:
        folder: created when first saved to.
        gpu, version: of the GPU and of TensorRT: measurements of another do not apply.
    """

    def __init__(self, folder: Path, *, gpu: str, version: str) -> None:
        self.path = folder / f"timing-{file_stem(gpu, version)}.cache"
        self._fits = True  # as far as is known

    def lend(self, config: tensorrt.IBuilderConfig) -> None:
        """Let a build use what is known. A damaged file, or one of another version, is left out, and said so."""
        cache = _parsed(config, self._content())
        self._fits = cache is not None and config.set_timing_cache(cache, ignore_mismatch=False)
        if not self._fits:
            _log.warning("The timing cache %s does not fit this GPU and TensorRT: the build starts without.", self.path)
            config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)

    def take_back(self, config: tensorrt.IBuilderConfig) -> None:
        """Merge what the build timed into the file, which other workers may have added to meanwhile.

        Raises:
            OSError: the folder cannot be written.
        """
        learned = config.get_timing_cache()
        if learned is None:
            return
        with self._locked():
            known = _parsed(config, self._content()) if self._fits else None
            if not self._fits:
                rename_timings(self.path)
            replace_file(self.path, _merged(known, learned))

    def _content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # freed by the kernel, whatever becomes of this process
            yield


def file_stem(gpu: str, version: str) -> str:
    """A part of a file's name, for what fits one GPU model and one version of a library only."""
    return re.sub(r"[^a-z0-9.]+", "-", f"{gpu}-{version}".lower()).strip("-")


def _merged(known: tensorrt.ITimingCache | None, learned: tensorrt.ITimingCache) -> bytes:
    """The content of both.

    `combine` of 8.6.1 may say no with all timings merged: where its graph compiler cannot merge a part of its own, as
    between two GPUs of one model. So the larger content is kept, whatever it says.
    """
    contents = [bytes(learned.serialize())]  # and all that was lent, where the file fits
    if known is not None:
        known.combine(learned, ignore_mismatch=True)
        contents.append(bytes(known.serialize()))
    return max(contents, key=len)


def _parsed(config: tensorrt.IBuilderConfig, content: bytes) -> tensorrt.ITimingCache | None:
    """The cache of that content; None if TensorRT refuses it."""
    try:
        return config.create_timing_cache(content)
    except (RuntimeError, TypeError, ValueError):
        return None
