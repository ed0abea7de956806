from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from qpareto.errors import StorageError
from qpareto.search.storage import begin_trial, open_storage


def test_a_storage_makes_its_folder(tmp_path: Path) -> None:
    open_storage(f"sqlite:///{tmp_path}/new/folder/study.db")
    assert (tmp_path / "new" / "folder" / "study.db").is_file()


def test_a_study_that_must_be_there_and_is_not_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no study yet"):
        open_storage(f"sqlite:///{tmp_path}/study.db", create=False)
    assert not (tmp_path / "study.db").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("no url", "no SQLAlchemy URL"),
        ("nosuchdb://host/db", "cannot be opened"),
        ("sqlite:////proc/study.db", "cannot be opened|cannot be made"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_told_in_one_sentence(url: str, said: str) -> None:
    with pytest.raises(StorageError, match=said) as caught:
        open_storage(url)
    assert "\n" not in str(caught.value)


def test_a_password_is_never_told() -> None:
    with pytest.raises(StorageError) as caught:
        open_storage("postgresql+nosuchdriver://user:s3cret@localhost:1/db")
    assert "s3cret" not in str(caught.value)


def _commits_of_begin_trial(url: str, layers: int) -> int:
    from sqlalchemy import event
    from sqlalchemy.engine import Connection, Engine

    storage = open_storage(url)
    study = optuna.create_study(storage=storage, directions=["maximize", "minimize"])
    switches = {f"layer {i}": CategoricalDistribution(("float", "int8")) for i in range(layers)}
    commits: list[Connection] = []

    def count(connection: Connection) -> None:
        commits.append(connection)

    event.listen(Engine, "commit", count)
    try:
        trial_id = begin_trial(
            storage,
            storage.get_study_id_from_name(study.study_name),
            params=dict.fromkeys(switches, "int8"),
            distributions=switches,
            user_attrs={"worker": 1},
            system_attrs={},
        )
        made = len(commits)
    finally:
        event.remove(Engine, "commit", count)
    (trial,) = study.trials
    assert (trial._trial_id, trial.number) == (trial_id, 0)
    assert trial.state == optuna.trial.TrialState.RUNNING
    assert (len(trial.params), trial.user_attrs["worker"]) == (layers, 1)
    return made


def test_a_trial_begins_in_as_many_transactions_whatever_the_number_of_its_layers(tmp_path: Path) -> None:
    one = _commits_of_begin_trial(f"sqlite:///{tmp_path}/one.db", 1)
    assert _commits_of_begin_trial(f"sqlite:///{tmp_path}/many.db", 90) == one
