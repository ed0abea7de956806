"""What can be seen of studies: opened for a notebook, as a report, as pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...errors import QParetoError
from ...objectives.store import write_whole
from ..results.compliance import Answer, answer
from ..results.requirements import Requirements
from ..results.study_results import Results
from ..run.prepare import scorer_of_spec
from ..show.dashboard.artifacts import TrialFiles
from ..show.dashboard.server import Address, serve_dashboard
from ..show.plots import figures_of_view
from ..show.plots.files import write_pngs
from ..show.report.changes import NOT_HERE, Changes, changes_of_view
from ..show.report.page import figures_of_views, report
from ..show.trial_cache import TrialCache
from ..show.view import StudyView, view_of_study
from ..study.opening import devices_of_study, open_study
from ..study_file.loading import load_study_file
from ..study_file.spec import StudySpec

_log = logging.getLogger(__name__)


class OpenedStudy:
    """A study as it was when it was opened, for a notebook or a script."""

    def __init__(self, view: StudyView) -> None:
        self._view = view

    @property
    def results(self) -> Results:
        return self._view.results

    def measurements(self) -> Any:
        """Every measured trial in a row, as a `pandas.DataFrame` indexed by trial; as a list of dicts without pandas.

        Columns are `baseline`, `on_front` and those of `Measurement.as_json`.
        """
        front = {point.trial for point in self.results.front}
        rows = [{**point.as_json(), "on_front": point.trial in front} for point in self.results.points]
        try:
            import pandas as pd
        except ImportError:
            return rows
        return pd.DataFrame(rows).set_index("trial") if rows else pd.DataFrame()

    def answer(self, *requirements: str) -> Answer:
        """Whether a measured point keeps all requirements, such as `map_drop=0.01`, `latency_ratio=0.75`, `yolo-99`.

        Raises:
            QParetoError: a requirement is none.
            StudyError: see `compliance.answer`.
        """
        return answer_of_view(self._view, Requirements.parse(requirements))

    def plots(self) -> dict[str, Any]:
        """Its plotly figures by name: `front`, `masks`, `worth`, `bargains`, `growth`, as far as they can be drawn."""
        return figures_of_view(self._view)


def open_for_reading(study: str | Path, overrides: Sequence[str] = (), *, device: str | None = None) -> OpenedStudy:
    """Open the study of a study file, to look at it: `qpareto.open`.

    Args:
        device: whose study, see `results`.

    Raises:
        StudyFileError, StorageError, StudyError: there is none, or it cannot be read.
    """
    return OpenedStudy(view_of_spec(load_study_file(Path(study), list(overrides)), device=device))


def view_of_spec(spec: StudySpec, *, device: str | None = None) -> StudyView:
    """What is shown of a study, read now.

    Args:
        device: whose study, see `results`.

    Raises:
        StorageError, StudyError: it cannot be read, or there is none.
    """
    return view_of_study(open_study(spec, device=device))


def answer_of_view(view: StudyView, requirements: Requirements) -> Answer:
    """Whether a study has what is required; trials that break a constraint of it do not count.

    Raises:
        StudyError: see `compliance.answer`.
    """
    return answer(view.results, requirements, infeasible=view.infeasible)


def write_report(specs: Sequence[StudySpec], path: Path, *, png: bool = False) -> list[Path]:
    """Write one HTML file about a study, or about several laid over one another; with `png` its figures beside it.

    A study file with a front for each device model is as many studies.

    Returns:
        The files written.

    Raises:
        StorageError, StudyError: a study cannot be read, or there is none.
        QParetoError: PNG was asked for, but what draws it is missing.
        DiskError: a file cannot be written.
    """
    told = [(spec, view) for spec in specs for view in _views(spec)]
    views = [view for _, view in told]
    drawn = figures_of_views(views)
    write_whole(path, report(views, [_changes(spec, view, shown=len(told) == 1) for spec, view in told], drawn))
    return [path, *(write_pngs(drawn, path) if png else [])]


def dashboard_of_study(
    spec: StudySpec,
    address: Address | None = None,
    *,
    study_file: str,
    ready: Callable[[str], None],
    device: str | None = None,
) -> None:
    """Serve a study's dashboard until this process is interrupted; `ready` is called with its address.

    Args:
        address: where to listen; this machine's own port 8080 if None.
        study_file: as the commands in its note name it.
        device: whose study, see `results`.

    Raises:
        QParetoError: optuna-dashboard is not installed, the study cannot be read, or the port is taken.
    """
    study = open_study(spec, device=device)
    files = _files(spec, study.study.study_name)
    serve_dashboard(study, address or Address(), study_file=study_file, files=files, ready=ready)


def _views(spec: StudySpec) -> list[StudyView]:
    devices: list[str | None] = [*devices_of_study(spec)] if spec.devices == "each" else []
    return [view_of_spec(spec, device=device) for device in devices or [None]]


def _changes(spec: StudySpec, view: StudyView, *, shown: bool) -> Changes | str:
    """What mAP hides of a study's front, or that it is not here; why not may name folders, so no report states that."""
    try:
        return changes_of_view(view, TrialCache(scorer_of_spec(spec)), shown=shown)
    except QParetoError as error:
        _log.warning("The report does not tell how detections changed: %s", error)
        return NOT_HERE


def _files(spec: StudySpec, study: str) -> TrialFiles | None:
    """The trials' files, where the model, its data and the cache are here."""
    try:
        return TrialFiles(study, TrialCache(scorer_of_spec(spec)))
    except QParetoError as error:
        _log.warning("The trials are shown without files: %s", error)
        return None
