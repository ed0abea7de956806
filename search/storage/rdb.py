"""A database as Optuna uses it, with two ways of our own: trials begun in bulk, and read once they have ended."""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ...errors import StorageError
from .reading import read_trials
from .tables import KNOWN_VERSION
from .writing import insert_study, insert_trial

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study._frozen import FrozenStudy
    from sqlalchemy.engine import Connection

T = TypeVar("T")
BUSY_TIMEOUT_S = 60  # how long a writer waits for another one on SQLite


class _Read:
    """What is known of one study's trials."""

    def __init__(self) -> None:
        self.trials: dict[int, FrozenTrial] = {}  # by id
        self.after = -1  # all ids up to this one are known
        self.unfinished: set[int] = set()


class RdbStorage(BaseStorage):
    """Optuna's RDBStorage, faster where it counts, with SQLite fit for several processes.

    - A trial that is begun with its parameters is written in bulk, and read back without Optuna's objects.
    - A trial that has ended does not change any more, so it is read once. One that runs is read again each time, but
      for its parameters if it was begun here.
    - On SQLite: a write-ahead log, so that readers and the one writer do not wait for each other; and a transaction
      that writes takes the database first. Without that two processes may both read that a trial runs and both end it.

    With another version of Optuna's tables than ours, Optuna's own ways are used throughout.
    """

    def __init__(self, rdb: RDBStorage) -> None:
        self._rdb, self._own_ways = rdb, rdb.get_current_version() == KNOWN_VERSION
        self._known: dict[int, _Read] = {}
        self._numbers: dict[int, int] = {}  # of trials begun here, by id
        self._lock, self._now = threading.Lock(), threading.local()
        weakref.finalize(self, rdb.engine.dispose)  # connections are closed as soon as nobody uses them any more
        if rdb.engine.dialect.name == "sqlite":
            self._prepare_sqlite()

    # What is done our own way

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        if template_trial is None or not self._own_ways:
            return self._write(lambda: self._rdb.create_new_trial(study_id, template_trial))
        with self._transaction(writes=True) as connection:
            trial_id, number = insert_trial(connection, study_id, template_trial)
        self._numbers[trial_id] = number
        return trial_id

    def copy_in(self, study: FrozenStudy, trials: Sequence[FrozenTrial]) -> None:
        """Write a study with all its trials, in their order, in one transaction.

        Raises:
            DuplicatedStudyError: the name is taken.
            StorageError: the tables are of another version.
        """
        from optuna.exceptions import DuplicatedStudyError
        from sqlalchemy.exc import IntegrityError

        if not self._own_ways:
            raise StorageError("The target's tables are of another version of Optuna: `optuna storage upgrade` it.")
        try:
            with self._transaction(writes=True) as connection:
                study_id = insert_study(connection, study)
                for trial in trials:
                    insert_trial(connection, study_id, trial)
        except IntegrityError as error:
            raise DuplicatedStudyError(study.study_name) from error

    def get_trial_number_from_id(self, trial_id: int) -> int:
        number = self._numbers.get(trial_id)
        return self._rdb.get_trial_number_from_id(trial_id) if number is None else number

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        with self._lock:
            if self._own_ways:
                known = self._known.setdefault(study_id, _Read())
                self._catch_up(study_id, known)
                trials = sorted(known.trials.values(), key=lambda trial: trial.number)
            else:
                trials = self._rdb.get_all_trials(study_id, deepcopy=False)
        chosen = trials if states is None else [trial for trial in trials if trial.state in states]
        return copy.deepcopy(chosen) if deepcopy else chosen

    def _catch_up(self, study_id: int, known: _Read) -> None:
        """Read what is new. Ids of one study become visible in their order: whoever begins a trial locks the study."""
        again = {i for i in known.unfinished if known.trials[i].params}  # else a tool may still be asking for them
        after = min([known.after, *(i - 1 for i in known.unfinished - again)])
        with self._transaction(writes=False) as connection:
            for trial in read_trials(connection, study_id, after=after, also={i for i in again if i <= after}):
                trial_id = trial._trial_id
                if trial_id in again and trial_id <= after:
                    trial.params, trial.distributions = (
                        known.trials[trial_id].params,
                        known.trials[trial_id].distributions,
                    )
                known.trials[trial_id] = trial
                known.after = max(known.after, trial_id)
                (known.unfinished.discard if trial.state.is_finished() else known.unfinished.add)(trial_id)

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        self._now.writes = writes
        try:
            with self._rdb.engine.begin() as connection:
                yield connection
        finally:
            self._now.writes = False

    def _write(self, call: Callable[[], T]) -> T:
        self._now.writes = True
        try:
            return call()
        finally:
            self._now.writes = False

    def _prepare_sqlite(self) -> None:
        from sqlalchemy import event

        now = self._now  # not self, which would then never be let go of

        def connected(connection: Any, record: object) -> None:
            del record
            connection.isolation_level = None  # sqlite3 itself would begin a transaction too late, see `begun`
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")

        def begun(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if getattr(now, "writes", False) else "BEGIN")

        event.listen(self._rdb.engine, "connect", connected)
        event.listen(self._rdb.engine, "begin", begun)
        self._rdb.engine.dispose()  # the connections that were opened otherwise

    # What is Optuna's

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return self._write(lambda: self._rdb.create_new_study(directions, study_name))

    def delete_study(self, study_id: int) -> None:
        self._write(lambda: self._rdb.delete_study(study_id))
        self._known.pop(study_id, None)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._write(lambda: self._rdb.set_study_user_attr(study_id, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._write(lambda: self._rdb.set_study_system_attr(study_id, key, value))

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        self._write(lambda: self._rdb.set_trial_param(trial_id, param_name, param_value_internal, distribution))

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        return self._write(lambda: self._rdb.set_trial_state_values(trial_id, state, values))

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._write(lambda: self._rdb.set_trial_intermediate_value(trial_id, step, intermediate_value))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._write(lambda: self._rdb.set_trial_user_attr(trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._write(lambda: self._rdb.set_trial_system_attr(trial_id, key, value))

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._rdb.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._rdb.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._rdb.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._rdb.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._rdb.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        return self._rdb.get_all_studies()

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        return self._rdb.get_trial_id_from_study_id_trial_number(study_id, trial_number)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._rdb.get_trial(trial_id)

    def remove_session(self) -> None:
        self._rdb.remove_session()
