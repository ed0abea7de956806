"""Optuna's own suite of what a storage must do, over the storages as a study opens them."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from optuna.storages import BaseStorage
from optuna.testing.pytest_storages import StorageTestCase

from postgres import Postgres, proxy_of
from qpareto.search.storage import open_storage


@pytest.fixture(scope="module")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('conformance')}/study.db"


@pytest.fixture(scope="module")
def postgres_url(postgres: Postgres) -> str:
    return postgres.url("conformance")


@pytest.fixture(scope="module")
def proxy_url(postgres: Postgres) -> Iterator[str]:
    pytest.importorskip("grpc")
    with proxy_of(postgres.url("conformance of the proxy")) as url:
        yield url


def emptied(url: str) -> Iterator[BaseStorage]:
    """A storage whose studies are gone afterwards: to make its tables anew takes longer than most tests."""
    storage = open_storage(url)
    yield storage
    for study in storage.get_all_studies():
        storage.delete_study(study._study_id)


class TestSqlite(StorageTestCase):
    @pytest.fixture
    def storage(self, sqlite_url: str) -> Iterator[BaseStorage]:
        yield from emptied(sqlite_url)


class TestPostgres(StorageTestCase):
    @pytest.fixture
    def storage(self, postgres_url: str) -> Iterator[BaseStorage]:
        yield from emptied(postgres_url)

    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_pickle_storage(self, storage: BaseStorage) -> None:
        super().test_pickle_storage(storage)
        gc.collect()  # a storage that was unpickled leaves its connections to the collector, which psycopg warns of


class TestProxy(StorageTestCase):
    @pytest.fixture
    def storage(self, proxy_url: str) -> Iterator[BaseStorage]:
        yield from emptied(proxy_url)

    @pytest.mark.parametrize("param_names", [["a", "b"], ["b", "a"]])
    def test_get_all_trials_params_order(self, storage: BaseStorage, param_names: list[str]) -> None:
        pytest.skip("the messages of Optuna's proxy hold parameters without an order")
