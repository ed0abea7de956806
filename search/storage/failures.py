"""What a storage's failures mean: whether they pass, and what the database or its driver said, in one line."""

from __future__ import annotations

_PASSING_SQLSTATES = ("08", "40", "53", "57P")  # connection, serialization or deadlock, too many connections, restart
_PASSING_OF_SQLITE = ("database is locked", "database table is locked", "database is busy")
_PASSING_OF_GRPC = ("UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED")


def is_storage_failure(error: BaseException) -> bool:
    """Whether it is the storage that failed, and not what was asked of it."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error, SQLAlchemyError | StorageInternalError) or _grpc_code(error) is not None


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed later: a dropped connection, a server that restarts, a busy database."""
    from sqlalchemy.exc import DBAPIError, PendingRollbackError
    from sqlalchemy.exc import TimeoutError as NoConnectionError

    code = _grpc_code(error)
    if code is not None:
        return code in _PASSING_OF_GRPC
    for cause in _chain(error):
        # No connection of the pool became free; or Optuna read on after it had lost its own, and has rolled back since.
        if isinstance(cause, NoConnectionError | PendingRollbackError):
            return True
        if isinstance(cause, DBAPIError):
            return cause.connection_invalidated or _passes_by_driver(cause.orig)
    return False


def reason_of(error: BaseException) -> str:
    """What the database or its driver said first, in one line."""
    text = str(_chain(error)[-1]).strip()
    details = getattr(error, "details", None)  # of gRPC
    if _grpc_code(error) is not None and callable(details):
        text = f"{_grpc_code(error)}: {details()}"
    return text.splitlines()[0] if text else type(error).__name__


def _passes_by_driver(error: BaseException | None) -> bool:
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate is not None:
        return str(sqlstate).startswith(_PASSING_SQLSTATES)
    if type(error).__module__ == "sqlite3":
        return str(error).startswith(_PASSING_OF_SQLITE)
    return type(error).__name__ in ("OperationalError", "InterfaceError")  # no server answered


def _chain(error: BaseException) -> list[BaseException]:
    found = [error]
    while (cause := found[-1].__cause__) is not None:
        found.append(cause)
    return found


def _grpc_code(error: BaseException) -> str | None:
    """The status of a failed call to a proxy, such as UNAVAILABLE; None of all other errors."""
    code = getattr(error, "code", None)
    if not any(kind.__name__ == "RpcError" for kind in type(error).__mro__) or not callable(code):
        return None
    return str(code().name)
