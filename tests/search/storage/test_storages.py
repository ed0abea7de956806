"""What every storage of ours promises, on SQLite, on a real PostgreSQL, and on that behind Optuna's gRPC proxy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from postgres import Postgres, proxy_of
from qpareto.errors import StorageError, StudyError
from qpareto.search.api import move_study
from qpareto.search.storage import open_storage
from qpareto.search.storage.patient import TOKEN, PatientStorage

BOTH = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
SWITCH, REAL = CategoricalDistribution(("float", "int8")), FloatDistribution(0.0, 1.0)
SPACE: dict[str, BaseDistribution] = {"b": SWITCH, "a": REAL}


class StorageContract:
    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def storage(self, url: str) -> BaseStorage:
        return open_storage(url)

    def test_a_trial_is_read_as_it_was_written(self, storage: BaseStorage) -> None:
        study_id = storage.create_new_study(BOTH, "written")
        written = [
            create_trial(state=TrialState.RUNNING, params={"b": "int8", "a": 0.25}, distributions=SPACE),
            create_trial(values=[0.5, math.inf], user_attrs={"u": [1]}, system_attrs={"s": None}),
            create_trial(values=[1 / 3, -1.0], params={"b": "float"}, distributions={"b": SWITCH}),
            create_trial(state=TrialState.PRUNED, intermediate_values={0: 1.5, 1: math.inf}),
            create_trial(state=TrialState.WAITING, params={}, distributions={}),
        ]
        for trial in written:
            storage.create_new_trial(study_id, trial)
        found = storage.get_all_trials(study_id)
        assert [trial.number for trial in found] == list(range(5))
        for one, other in zip(found, written, strict=True):
            assert _as_dict(one) | {"number": other.number} == _as_dict(other)

    def test_what_another_tool_writes_later_is_seen(self, url: str, storage: BaseStorage) -> None:
        study_id = storage.create_new_study(BOTH, "tool")
        assert storage.get_all_trials(study_id) == []
        theirs = optuna.load_study(study_name="tool", storage=open_storage(url))
        trial = theirs.ask()
        assert storage.get_all_trials(study_id)[0].params == {}
        trial.suggest_float("a", 0.0, 1.0)
        assert storage.get_all_trials(study_id)[0].params == trial.params
        theirs.tell(trial, (0.5, 2.0))
        (told,) = storage.get_all_trials(study_id)
        assert (told.state, told.values) == (TrialState.COMPLETE, [0.5, 2.0])

    def test_of_many_that_end_a_trial_at_once_the_storage_takes_one(self, url: str, storage: BaseStorage) -> None:
        study_id = storage.create_new_study(BOTH, "ends")
        others = [open_storage(url) for _ in range(4)]
        for _ in range(5):
            trial_id = storage.create_new_trial(study_id, create_trial(state=TrialState.RUNNING))

            def ended(one: int, trial_id: int = trial_id) -> bool:
                try:
                    return others[one].set_trial_state_values(trial_id, TrialState.COMPLETE, [float(one), 0.0])
                except UpdateFinishedTrialError:
                    return False

            with ThreadPoolExecutor(4) as pool:
                took = list(pool.map(ended, range(4)))
            assert sum(took) == 1
            assert storage.get_trial(trial_id).values == [float(took.index(True)), 0.0]

    def test_numbers_are_given_once_in_one_order(self, url: str, storage: BaseStorage) -> None:
        study_id = storage.create_new_study(BOTH, "numbers")
        others = [open_storage(url) for _ in range(4)]

        def begun(one: int) -> list[int]:
            made = [others[one].create_new_trial(study_id, create_trial(state=TrialState.RUNNING)) for _ in range(5)]
            return [others[one].get_trial_number_from_id(trial_id) for trial_id in made]

        with ThreadPoolExecutor(4) as pool:
            found = [number for numbers in pool.map(begun, range(4)) for number in numbers]
        assert sorted(found) == list(range(20))
        in_order = sorted(storage.get_all_trials(study_id), key=lambda trial: trial._trial_id)
        assert [trial.number for trial in in_order] == list(range(20))


class TestSqlite(StorageContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/study.db"


class TestPostgres(StorageContract):
    @pytest.fixture
    def url(self, postgres: Postgres, request: pytest.FixtureRequest) -> str:
        return postgres.url(request.node.name)

    def test_a_call_outlives_cut_connections_and_a_restart(self, postgres: Postgres, url: str) -> None:
        storage = open_storage(url)
        study_id = storage.create_new_study(BOTH, "outlives")
        postgres.cut_connections(url.partition("@/")[2].partition("?")[0], 5)
        trial_id = storage.create_new_trial(study_id, create_trial(state=TrialState.RUNNING))
        with ThreadPoolExecutor(1) as pool:
            restarted = pool.submit(postgres.restart)
            for i in range(30):
                storage.set_trial_user_attr(trial_id, "beat", i)
            restarted.result()
        storage.set_trial_user_attr(trial_id, "beat", "last")
        assert storage.get_trial(trial_id).user_attrs["beat"] == "last"

    def test_a_call_outlives_a_connection_that_is_cut_in_the_midst_of_it(self, url: str) -> None:
        storage = open_storage(url)
        study_id = storage.create_new_study(BOTH, "midst")
        engine = create_engine(url)
        with engine.begin() as other, ThreadPoolExecutor(1) as pool:
            other.execute(text("LOCK TABLE trials IN ACCESS EXCLUSIVE MODE"))
            call = pool.submit(storage.get_all_trials, study_id)
            waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            while (pid := other.execute(text(waiting)).scalar()) is None:
                time.sleep(0.02)
                other.execute(text("SELECT pg_stat_clear_snapshot()"))
            other.execute(text(f"SELECT pg_terminate_backend({pid})"))
            other.rollback()
            assert call.result(timeout=30) == []
        engine.dispose()

    def test_a_password_is_in_no_failure_and_no_attribute(self, postgres: Postgres, url: str) -> None:
        secret = url.replace("postgres:@", "postgres:s3cret@")
        assert secret != url
        storage = open_storage(secret)
        storage.create_new_study(BOTH, "secret")
        with pytest.raises(StorageError) as caught:
            open_storage(secret.replace("postgres:s3cret", "nobody:s3cret"))
        chain: BaseException | None = caught.value
        assert "s3cret" not in str(chain)
        assert "s3cret" not in storage.shown


class TestProxy(StorageContract):
    @pytest.fixture
    def url(self, postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
        pytest.importorskip("grpc")
        with proxy_of(postgres.url(f"proxy {request.node.name}")) as url:
            yield url


# Calls that are not answered, though they took place


class Unanswered(PatientStorage):
    """A patient storage over a real one, whose first answer to every kind of write is lost."""

    def __init__(self, url: str) -> None:
        under = open_storage(url)
        super().__init__(under._storage, shown="sqlite://")
        self._lost: set[str] = set()
        for name in ("create_new_trial", "set_trial_user_attr", "set_trial_state_values", "delete_study"):
            setattr(under._storage, name, self._losing(name, getattr(under._storage, name)))

    def _losing(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object) -> object:
            found = call(*arguments)
            if name not in self._lost:
                self._lost.add(name)
                error = OperationalError(name, {}, Exception())
                error.connection_invalidated = True
                raise error
            return found

        return called


def test_a_write_whose_answer_was_lost_is_not_done_twice(tmp_path: Path) -> None:
    storage = Unanswered(f"sqlite:///{tmp_path}/study.db")
    study_id = storage.create_new_study(BOTH, "unanswered")
    trial_id = storage.create_new_trial(study_id, create_trial(state=TrialState.RUNNING, user_attrs={TOKEN: "ours"}))
    storage.set_trial_user_attr(trial_id, "u", 1)
    assert storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.5, 2.0])
    (trial,) = storage.get_all_trials(study_id)
    assert (trial._trial_id, trial.state, trial.values) == (trial_id, TrialState.COMPLETE, [0.5, 2.0])
    with pytest.raises(UpdateFinishedTrialError):  # by somebody else, of whom the same is not true
        storage.set_trial_state_values(trial_id, TrialState.FAIL)
    storage.delete_study(study_id)
    assert storage.get_all_studies() == []


# A study that moves


def whole(url: str, name: str) -> tuple[object, ...]:
    storage = open_storage(url)
    study = next(one for one in storage.get_all_studies() if one.study_name == name)
    trials = [_as_dict(trial) for trial in storage.get_all_trials(study._study_id)]
    return study.directions, study.user_attrs, study.system_attrs, trials


def _as_dict(trial: FrozenTrial) -> dict[str, object]:
    return {name.lstrip("_"): value for name, value in vars(trial).items() if name != "_trial_id"}


def test_a_study_moves_complete_and_only_where_its_name_is_free(postgres: Postgres, tmp_path: Path) -> None:
    source, target = f"sqlite:///{tmp_path}/study.db", postgres.url("moved")
    storage = open_storage(source)
    study_id = storage.create_new_study(BOTH, "moving")
    storage.set_study_user_attr(study_id, "identity", {"model": "m"})
    storage.set_study_system_attr(study_id, "study:metric_names", ["map50_95", "latency_ms"])
    storage.create_new_trial(
        study_id,
        create_trial(
            values=[0.1, 2.0],
            params={"b": "int8"},
            distributions={"b": SWITCH},
            user_attrs={"u": {"deep": [1]}},
            system_attrs={"constraints": [0.5]},
            intermediate_values={3: 0.25},
        ),
    )
    storage.create_new_trial(study_id, create_trial(state=TrialState.FAIL))
    running = storage.create_new_trial(study_id, create_trial(state=TrialState.RUNNING))
    with pytest.raises(StudyError, match="Trial 2 of the study 'moving' is running"):
        move_study(source, target)
    storage.set_trial_state_values(running, TrialState.PRUNED)
    assert move_study(source, target) == ("moving", 3)
    assert whole(target, "moving") == whole(source, "moving")
    assert isinstance(open_storage(target).get_all_trials(1)[0].datetime_start, datetime)
    with pytest.raises(StudyError, match="holds a study named 'moving' already"):
        move_study(source, target, name="moving")
    with pytest.raises(StudyError, match="no study named 'other'"):
        move_study(source, target, name="other")


def test_a_move_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("study", "moved"))
    storage = open_storage(source)
    study_id = storage.create_new_study(BOTH, "moving")
    storage.set_study_user_attr(study_id, "identity", {"model": "m"})
    storage.create_new_trial(study_id, create_trial(values=[0.1, 2.0]))

    def full(self: PatientStorage, study_id: int, key: str, value: object) -> None:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(PatientStorage, "set_study_user_attr", full)
        with pytest.raises(StorageError, match="disk is full"):
            move_study(source, target)
    assert open_storage(target).get_all_studies() == []
    assert move_study(source, target) == ("moving", 1)
