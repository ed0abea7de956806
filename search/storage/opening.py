"""The study's database: opened with plain words, and a trial begun in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import StorageError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage

BUSY_TIMEOUT_S = 60  # how long a writer waits for another one on SQLite


def open_storage(url: str, *, create: bool = True) -> BaseStorage:
    """Optuna's storage behind an SQLAlchemy URL.

    Args:
        url: such as `sqlite:////abs/study.db` or `postgresql+psycopg://user:secret@host/db`.
        create: make the folder and the tables if they are not there; else their absence is an error.

    Raises:
        StorageError: the URL is none, its driver is missing, or the database cannot be reached or read.
    """
    import optuna
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        where = make_url(url)
    except (SQLAlchemyError, ValueError) as error:  # ValueError: a port that is no number
        raise StorageError("The storage is no SQLAlchemy URL: write one such as sqlite:///study.db.") from error
    shown = where.render_as_string(hide_password=True)
    options: dict[str, Any] = {"pool_pre_ping": True}
    new_file: Path | None = None
    if where.get_backend_name() == "sqlite":
        path = Path(where.database or ":memory:")
        new_file = None if path.exists() else path
        _prepare_file(path, shown, create=create)
        options["connect_args"] = {"timeout": BUSY_TIMEOUT_S}
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except (SQLAlchemyError, ImportError, RuntimeError, OSError) as error:
        if new_file is not None:
            new_file.unlink(missing_ok=True)  # a database without its tables
        raise StorageError(
            f"The storage {shown} cannot be opened ({_reason(error)}): check the URL, its driver and the server."
        ) from error


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turns the failure of a storage that was open into one sentence, a StorageError; what it holds stands."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise StorageError(
            f"The storage {make_url(url).render_as_string(hide_password=True)} failed ({_reason(error)}): "
            "what is finished is kept, and the same command goes on from there once it works again."
        ) from error


def begin_trial(
    storage: BaseStorage,
    study_id: int,
    *,
    params: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    user_attrs: Mapping[str, Any],
    system_attrs: Mapping[str, Any],
) -> int:
    """Write a running trial with all its parameters in one transaction, however many layers the mask has.

    `Trial.suggest_*` would write each parameter in a transaction of its own (benchmarks/storage.py tells the cost).

    Returns:
        The trial's number in the study.
    """
    import optuna

    template = optuna.trial.create_trial(
        state=optuna.trial.TrialState.RUNNING,
        params=dict(params),
        distributions=dict(distributions),
        user_attrs=dict(user_attrs),
        system_attrs=dict(system_attrs),
    )
    return storage.get_trial_number_from_id(storage.create_new_trial(study_id, template_trial=template))


def _reason(error: BaseException) -> str:
    """What the database or its driver said first, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _prepare_file(path: Path, shown: str, *, create: bool) -> None:
    if not create and not path.is_file():
        raise StorageError(f"There is no study yet at {shown}: `qpareto run` makes one.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"The folder of {shown} cannot be made ({error.strerror}).") from error
