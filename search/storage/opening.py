"""The study's storage: opened by its URL, with plain words where that fails."""

from __future__ import annotations

import random
import re
import time
import warnings
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import StorageError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage
    from sqlalchemy.engine import URL

    from .patient import PatientStorage

GRPC_PATIENCE_S = 10.0  # for a proxy that is just being started
POOL = {"pool_size": 2, "max_overflow": 2, "pool_timeout": 30, "pool_recycle": 1800}  # a worker has two threads
_STARTS = 8  # attempts to make the tables while other workers do
_MADE_MEANWHILE = ("already exists", "UniqueViolation", "UNIQUE constraint", "duplicate key", "database is locked")


def open_storage(url: str, *, create: bool = True, connections: Mapping[str, Any] | None = None) -> PatientStorage:
    """Optuna's storage behind a URL, patient with a server that restarts.

    Args:
        url: an SQLAlchemy URL such as `sqlite:////abs/study.db` or `postgresql+psycopg://user:secret@host/db`; or
            `grpc://host:port` of Optuna's proxy.
        create: make the folder and the tables if they are not there; else their absence is an error.
        connections: SQLAlchemy's pool; that of a worker if None.

    Raises:
        StorageError: the URL is none, its driver is missing, or the database cannot be reached or read.
    """
    from .patient import PatientStorage

    if url.startswith("grpc://"):
        return PatientStorage(_proxy(url), shown=url)
    where = _parsed(url)
    return PatientStorage(_database(where, create=create, connections=connections or POOL), shown=shown_url(url))


def shown_url(url: str) -> str:
    """A storage's URL without its password, to be told.

    Raises:
        StorageError: it is no URL.
    """
    return url if url.startswith("grpc://") else _parsed(url).render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return make_url(url)
    except (SQLAlchemyError, ValueError) as error:  # ValueError: a port that is no number
        raise StorageError("The storage is no SQLAlchemy URL: write one such as sqlite:///study.db.") from error


def _database(where: URL, *, create: bool, connections: Mapping[str, Any]) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    from .failures import reason_of

    shown, new_file = where.render_as_string(hide_password=True), None
    if where.get_backend_name() == "sqlite":
        path = Path(where.database or ":memory:")
        new_file = None if path.exists() else path
        _prepare_file(path, shown, create=create)
    try:
        return _with_tables(where, connections)
    except (SQLAlchemyError, ImportError, RuntimeError, OSError) as error:
        if new_file is not None:
            _remove(new_file)
        raise StorageError(
            f"The storage {shown} cannot be opened ({reason_of(error)}): check the URL, its driver and the server."
        ) from error


def _with_tables(where: URL, connections: Mapping[str, Any]) -> BaseStorage:
    """Optuna's storage. Of several workers that make its tables at the same moment all but one are told that they are
    there already, and then they are."""
    from optuna.storages import get_storage
    from sqlalchemy.exc import SQLAlchemyError

    for attempt in range(_STARTS):
        try:
            rdb = _rdb(where, connections)
        except (SQLAlchemyError, AssertionError) as error:  # AssertionError: Optuna's, of tables that are half made
            made_meanwhile = isinstance(error, AssertionError) or any(sign in str(error) for sign in _MADE_MEANWHILE)
            if not made_meanwhile or attempt == _STARTS - 1:
                raise
            time.sleep(random.uniform(0.1, 0.5))
        else:
            storage = get_storage(rdb)  # which reads a trial that has ended once
            weakref.finalize(storage, rdb.engine.dispose)  # connections are closed once nobody uses it any more
            return storage
    raise AssertionError("the loop returns or raises")


def _rdb(where: URL, connections: Mapping[str, Any]) -> RDBStorage:
    from optuna.storages import RDBStorage

    from .sqlite import SqliteStorage

    url = where.render_as_string(hide_password=False)
    if where.get_backend_name() == "sqlite":
        return SqliteStorage(url)
    return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, **connections})


def _proxy(url: str) -> BaseStorage:
    """Optuna's client of its proxy."""
    found = re.fullmatch(r"grpc://([^:/@]+|\[[0-9a-fA-F:]+\]):(\d+)/?", url)
    if found is None:
        raise StorageError(f"The storage {url} is no proxy: write grpc://HOST:PORT.")
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import GrpcStorageProxy

    try:
        with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
            storage = GrpcStorageProxy(host=found[1], port=int(found[2]))
        storage.wait_server_ready(timeout=GRPC_PATIENCE_S)
    except ImportError as error:
        raise StorageError(f"The storage {url} needs gRPC: pip install 'qpareto[grpc]'.") from error
    except ConnectionError as error:
        raise StorageError(f"No proxy answers at {url}: start one with `qpareto study proxy`.") from error
    return storage


def _prepare_file(path: Path, shown: str, *, create: bool) -> None:
    if not create and not path.is_file():
        raise StorageError(f"There is no study yet at {shown}: `qpareto run` makes one.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"The folder of {shown} cannot be made ({error.strerror}).") from error


def _remove(database: Path) -> None:
    """A database without its tables, with what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
