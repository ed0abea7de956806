"""What can be done with a study's storage: move a study to another one, stand between it and very many workers."""

from __future__ import annotations

from ..storage.move import copy_study
from ..storage.proxy import serve


def move_study(from_url: str, to_url: str, *, name: str | None = None) -> tuple[str, int]:
    """Copy a study to another storage, complete: attributes, and trials in all states with numbers, values and dates.

    The original stays where it was.

    Args:
        name: which one; the only one of the storage if None.

    Returns:
        The study's name, and how many trials it has.

    Raises:
        StorageError: one of the storages cannot be opened, or fails; the target then holds nothing of it.
        StudyError: there is no such study or several, its name is taken at the target, or trials are running.
    """
    return copy_study(from_url, to_url, name=name)


def serve_proxy(storage_url: str, *, host: str = "127.0.0.1", port: int = 13000) -> None:
    """Serve a storage to workers that name it as grpc://HOST:PORT, until a signal ends this process.

    Hundreds of workers then share this process's few connections to the database.

    Raises:
        StorageError: the storage cannot be opened, or the port is taken.
    """
    serve(storage_url, host=host, port=port)
