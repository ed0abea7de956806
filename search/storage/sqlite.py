"""A study in an SQLite file, fit for several processes."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.storages import RDBStorage
from optuna.trial import TrialState

BUSY_TIMEOUT_S = 60  # how long a writer waits for another one


class SqliteStorage(RDBStorage):
    """Optuna's storage with a write-ahead log, so that readers and the one writer do not wait for each other.

    SQLite leaves out the row lock that Optuna ends a trial under: two processes may both read that it runs, and both
    end it. So whoever ends one takes the whole database first.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, engine_kwargs={"pool_pre_ping": True, "connect_args": {"timeout": BUSY_TIMEOUT_S}})
        with self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        try:
            self.scoped_session().connection().exec_driver_sql("BEGIN IMMEDIATE")  # of this thread, as all below
            return super().set_trial_state_values(trial_id, state, values)
        finally:
            self.remove_session()
