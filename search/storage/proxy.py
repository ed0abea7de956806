"""Optuna's gRPC proxy over a storage: very many workers share its few connections to the database."""

from __future__ import annotations

import socket
import warnings
from concurrent.futures import ThreadPoolExecutor

from ...errors import StorageError
from .opening import open_storage

CALLS_AT_ONCE = 10  # threads of the proxy, and so connections
POOL_OF_PROXY = {"pool_size": CALLS_AT_ONCE, "max_overflow": 0, "pool_timeout": 60, "pool_recycle": 1800}


def serve(storage_url: str, *, host: str, port: int) -> None:
    """Serve a storage until a signal ends this process.

    Raises:
        StorageError: the storage cannot be opened, gRPC is missing, or the port is taken.
    """
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import run_grpc_proxy_server

    storage = open_storage(storage_url, connections=POOL_OF_PROXY)
    _refuse_taken(host, port)
    with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
        run_grpc_proxy_server(storage, host=host, port=port, thread_pool=ThreadPoolExecutor(CALLS_AT_ONCE))


def _refuse_taken(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise StorageError(f"The proxy cannot listen at {host}:{port} ({error.strerror}): choose another.") from error
