"""The publisher: beside the dashboard it looks at the study now and then, and writes there what has changed.

Not a listener of the workers: a study is published that was run without the dashboard installed, whoever runs it pays
nothing, and a fleet has one writer instead of many. It rests so long after each look that it takes at most a hundredth
of the time.
"""

from __future__ import annotations

import logging
import threading
import time

from ....errors import StorageError
from ....objectives.objective import OBJECTIVES
from ...study.search_study import SearchStudy
from ..plots import figures_of_view
from ..view import StudyView, view_of_study
from .artifacts import TrialFiles
from .board import Board
from .notes import note_of_study, note_of_trial

EVERY_S = 3.0
SHARE = 0.01  # of the time, at most, that publishing may take

_log = logging.getLogger(__name__)


class Publisher:
    """Publishes one study, from one thread.

    Args:
        study_file: as commands name it.
        files: the trials' artifacts; None where the model or its data are not here.
    """

    def __init__(self, study: SearchStudy, *, study_file: str, files: TrialFiles | None = None) -> None:
        self._study, self._study_file, self._files = study, study_file, files
        self._told: dict[int, str] = {}  # notes that are there
        self._seen: tuple[int, int] = (-1, -1)
        self._away = False

    def run(self, stop: threading.Event) -> None:
        """Publish until it has to stop; a storage that is away is waited for."""
        while not stop.is_set():
            start_s = time.monotonic()
            try:
                self.publish()
                self._away = False
            except StorageError as error:
                if not self._away:
                    _log.warning("Nothing new is published meanwhile: %s", error)
                self._away = True
            stop.wait(max(EVERY_S, (time.monotonic() - start_s) / SHARE))

    def publish(self) -> bool:
        """Write what has changed since the last time; whether there was anything to look at."""
        seen = self._study.look().finished, len(self._study.stored.confirmed)
        if seen == self._seen:
            return False
        view, board = view_of_study(self._study), Board(self._study.study, self._study.storage)
        board.set_metric_names([OBJECTIVES[name].title for name in view.results.objectives])
        board.set_note(note_of_study(view, study_file=self._study_file))
        for name, figure in figures_of_view(view).items():
            board.set_figure(name, figure)
        self._publish_trials(view, board)
        self._seen = seen
        return True

    def _publish_trials(self, view: StudyView, board: Board) -> None:
        confirmed = self._study.stored.confirmed
        for record in view.results.records:
            note = note_of_trial(record, confirmed.get(record.number)) if record.outcome.counts else ""
            if not note or self._told.get(record.number) == note:
                continue
            board.set_note(note, trial=record.number)
            for file in self._files.of_trial(record) if self._files else ():
                board.set_artifact(file.id, trial=record.number, filename=file.name, mimetype=file.mimetype)
            self._told[record.number] = note
