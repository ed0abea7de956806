"""A running study looked at now and then, however its storage fares."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ...errors import StorageError
from ..spec import StudySpec
from ..storage import storage_errors
from .progress import Progress, Watch

EVERY_S = 1.0
SHARE = 0.05  # of one core, at most, that looking may take

_log = logging.getLogger(__name__)


class Watching:
    """Tells a watcher where a study stands, about once a second; a storage that is away is waited for.

    Args:
        trials: finished trials that the study is to have; the spec's own number if None.
    """

    def __init__(self, spec: StudySpec, *, trials: int | None, watcher: Callable[[Progress], None]) -> None:
        self._spec, self._trials, self._watcher = spec, trials, watcher
        self._watch: Watch | None = None
        self._next_s = 0.0
        self._away = False

    def look(self, *, now: bool = False) -> None:
        """Look if it is time to, or in any case; returns at once otherwise."""
        start_s = time.monotonic()
        if start_s < self._next_s and not now:
            return
        try:
            with storage_errors(self._spec.storage):
                self._watch = self._watch or Watch(self._spec)
                found = self._watch.progress(trials=self._trials)
        except StorageError as error:
            if not self._away:
                _log.warning("No progress can be shown, but the workers go on: %s", error)
            self._away = True
        else:
            self._away = False
            self._watcher(found)
        self._next_s = start_s + max(EVERY_S, (time.monotonic() - start_s) / SHARE)
