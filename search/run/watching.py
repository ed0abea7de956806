"""A running study looked at about once a second, beside whatever else goes on and however its storage fares."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Self

from ...errors import StorageError
from ..study_file.spec import StudySpec
from .progress import Progress, Watch

EVERY_S = 1.0
SHARE = 0.05  # of a core, at most, that looking may take

_log = logging.getLogger(__name__)


class Watching:
    """While entered, looks in a thread of its own: a storage that is away keeps nobody else waiting.

    Args:
        device: as of `Watch`.
        trials: finished trials that the study is to have; the spec's own number if None.
    """

    def __init__(self, spec: StudySpec, *, device: str | None, trials: int | None) -> None:
        self._spec, self._device, self._trials = spec, device, trials
        self._thread = threading.Thread(target=self._look_again_and_again, daemon=True)
        self._ended = threading.Event()
        self._seen: Progress | None = None
        self._bug: Exception | None = None

    def news(self) -> Progress | None:
        """What was seen last, once; None if it has been told already. Never blocks."""
        if self._bug is not None:
            raise self._bug
        seen, self._seen = self._seen, None
        return seen

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    def _look_again_and_again(self) -> None:
        watch, away, pause_s = None, False, 0.0
        while not self._ended.wait(pause_s):
            start_s = time.monotonic()
            try:
                watch = watch or Watch(self._spec, device=self._device)
                self._seen, away = watch.progress(trials=self._trials), False
            except StorageError as error:
                if not away:
                    _log.warning("No progress can be shown, but the workers go on: %s", error)
                away = True
            except Exception as error:  # told where it is seen: by `news`
                self._bug = error
                return
            pause_s = max(EVERY_S, (time.monotonic() - start_s) / SHARE)
