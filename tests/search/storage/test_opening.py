from __future__ import annotations

from pathlib import Path

import pytest

from qpareto.errors import StorageError
from qpareto.search.storage import open_storage


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
