"""The dashboard: optuna-dashboard over a study's storage, with the publisher beside it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from ...errors import QParetoError, StudyError
from ..run.prepare import scorer_of_spec
from ..spec import StudySpec
from ..storage import open_storage
from .artifacts import TrialFiles
from .publisher import Publisher

_log = logging.getLogger(__name__)


class _Server(ThreadingMixIn, WSGIServer):
    """Answers while it answers; none of its answers outlives it."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Tells no request: a browser asks every few seconds."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args


def serve_dashboard(
    spec: StudySpec, *, study_file: str, host: str, port: int, ready: Callable[[str], None]
) -> None:
    """Serve the dashboard of a study until this process is interrupted.

    Args:
        study_file: as the commands in its note name it.
        port: 0 for any that is free.
        ready: told the study's address once it is served.

    Raises:
        QParetoError: optuna-dashboard is not installed, the study cannot be read, or the port is taken.
    """
    try:
        from optuna_dashboard import wsgi
    except ImportError as error:
        raise QParetoError("The dashboard is an extra: pip install 'qpareto[dashboard]'.") from error
    files = _files(spec)
    publisher = Publisher(spec, study_file=study_file, files=files)
    storage = open_storage(spec.storage, create=False)
    study_id, stop = storage.get_study_id_from_name(spec.name), threading.Event()
    try:
        server = make_server(host, port, wsgi(storage, artifact_store=files), _Server, _Quiet)
    except OSError as error:
        raise StudyError(f"The dashboard cannot listen at {host}:{port} ({error.strerror}): name another --port.") from error
    thread = threading.Thread(target=publisher.run, args=(stop,), name="publisher", daemon=True)
    with server:
        thread.start()
        ready(f"http://{host}:{server.server_port}/dashboard/studies/{study_id}")
        try:
            server.serve_forever()
        finally:
            stop.set()
            thread.join()


def _files(spec: StudySpec) -> TrialFiles | None:
    """The trials' files, where the model, its data and the cache are here."""
    try:
        return TrialFiles(spec.name, scorer_of_spec(spec))
    except QParetoError as error:
        _log.warning("The trials have no files here, but their notes and figures: %s", error)
        return None
