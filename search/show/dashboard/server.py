"""The dashboard: optuna-dashboard over a study's storage, with the publisher beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from ....errors import QParetoError, StudyError
from ...study.search_study import SearchStudy
from .artifacts import TrialFiles
from .publisher import Publisher


class _Server(ThreadingMixIn, WSGIServer):
    """Answers while it answers; none of its answers outlives it."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Logs no request: a browser asks every few seconds."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a server listens.

    Args:
        port: 0 for any that is free.
    """

    host: str = "127.0.0.1"
    port: int = 8080


def serve_dashboard(
    study: SearchStudy, address: Address, *, study_file: str, files: TrialFiles | None, ready: Callable[[str], None]
) -> None:
    """Serve the dashboard of a study until this process is interrupted.

    Args:
        study_file: as the commands in its note name it.
        files: the trials' artifacts, see `Publisher`.
        ready: called with the study's address once it is served.

    Raises:
        QParetoError: optuna-dashboard is not installed, or the port is taken.
    """
    if find_spec("optuna_dashboard") is None:
        raise QParetoError("The dashboard is an extra: pip install 'qpareto[dashboard]'.")
    from .app import dashboard_app

    stop, publisher = threading.Event(), Publisher(study, study_file=study_file, files=files)
    try:
        server = make_server(address.host, address.port, dashboard_app(study.storage, files), _Server, _Quiet)
    except OSError as error:
        raise StudyError(
            f"The dashboard cannot listen at {address.host}:{address.port} ({error.strerror}): name another --port."
        ) from error
    thread = threading.Thread(target=publisher.run, args=(stop,), name="publisher", daemon=True)
    with server:
        thread.start()
        try:
            ready(f"http://{address.host}:{server.server_port}/dashboard/studies/{study.id}")
            server.serve_forever()
        finally:
            stop.set()
            thread.join()
