"""The seam to optuna-dashboard: where in a study it looks for notes, figures, artifacts and names.

Everything is written only where it differs from what is there, under ids that never change, so that publishing again
changes nothing, and of several publishers each writes the same. A user's own words in a note are kept.
"""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

MARK = "\n\n---\n*The above is written by qpareto; what you write below stays.*\n"
FIGURE_ID = "qpareto-"
MOST_FIGURE_BYTES = 200_000


class Board:
    """One study's notes, figures and artifacts, as they are at the moment when this is made."""

    def __init__(self, study: Study, storage: BaseStorage) -> None:
        self._study, self._storage = study, storage
        self._id = storage.get_study_id_from_name(study.study_name)
        self._there: dict[str, Any] = storage.get_study_system_attrs(self._id)

    def set_metric_names(self, names: list[str]) -> None:
        """What the objectives are called, with units."""
        from optuna.exceptions import ExperimentalWarning

        if self._study.metric_names != names:
            with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
                self._study.set_metric_names(names)

    def set_note(self, text: str, *, trial: int | None = None) -> None:
        """The study's note, or that of a trial by its number.

        There is no public way to a finished trial's note, so this goes where `save_note` goes.
        """
        from optuna_dashboard._note import get_note_from_system_attrs, save_note_with_version

        trial_id = None if trial is None else self._trial_id(trial)
        stored = get_note_from_system_attrs(self._there, trial_id)
        wanted = merged(text, stored["body"])
        if wanted != stored["body"]:
            save_note_with_version(self._storage, self._id, trial_id, stored["version"] + 1, wanted)

    def set_figure(self, name: str, figure: Any) -> None:
        """A plotly figure, under an id that is reused.

        Raises:
            ValueError: it would be larger than the dashboard shows well.
        """
        from optuna_dashboard import save_plotly_graph_object
        from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

        told = figure.to_json()
        if len(told) > MOST_FIGURE_BYTES:
            raise ValueError(f"the figure {name} has {len(told)} bytes, more than {MOST_FIGURE_BYTES}")
        if get_plotly_graph_objects(self._there).get(FIGURE_ID + name) != told:
            save_plotly_graph_object(self._study, figure, graph_object_id=FIGURE_ID + name)

    def set_artifact(self, artifact_id: str, *, trial: int, filename: str, mimetype: str) -> None:
        """Name a trial's artifact; a finished trial takes no more attributes of its own, so its study does."""
        key = f"dashboard:artifacts:{self._trial_id(trial)}:{artifact_id}"
        told = {"artifact_id": artifact_id, "filename": filename, "mimetype": mimetype, "encoding": None}
        if self._there.get(key) != json.dumps(told):
            self._storage.set_study_system_attr(self._id, key, json.dumps(told))

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)


def merged(ours: str, stored: str) -> str:
    """Our words with those that somebody else has written: what stands below the mark, or all without one."""
    above, mark, below = stored.partition(MARK)
    theirs = below if mark else above
    return f"{ours}{MARK}{theirs}"
