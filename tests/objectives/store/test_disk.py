from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qpareto.errors import DiskError, EngineError
from qpareto.objectives.store import disk_errors, made_aside, replace_file, write_whole
from store_contents import contents, write_one


def test_a_folder_made_aside_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new" / "target"

    def make(*, interrupted: bool) -> None:
        with made_aside(target) as folder:
            write_one(folder)
            assert not target.exists()
            if interrupted:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(interrupted=True)
    assert contents(tmp_path) == ["new"]
    make(interrupted=False)
    assert contents(tmp_path / "new") == ["target", "target/one.txt"]


def test_a_folder_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    write_one(tmp_path / "target")
    with pytest.raises(OSError, match="not empty"), made_aside(tmp_path / "target") as folder:
        (folder / "two").touch()
    assert contents(tmp_path) == ["target", "target/one.txt"]


def test_a_folder_where_the_file_should_be_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="Is a directory"):
        write_whole(tmp_path, "text")
    assert contents(tmp_path) == []


def test_what_is_no_fault_of_the_disk_comes_through_as_it_is(tmp_path: Path) -> None:
    for error in (ValueError("ours"), FileNotFoundError(2, "No such file"), EngineError("It crashed.")):
        with pytest.raises(type(error)) as caught, disk_errors(tmp_path / "not" / "there"):
            raise error
        assert caught.value is error


def test_full_temporary_files_are_recognised_too(
    tmp_path: Path, nearly_full_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(nearly_full_disk(64)))
    with pytest.raises(DiskError, match="TMPDIR"), disk_errors(tmp_path):
        raise RuntimeError("a library could not write its temporary file")


def test_a_file_is_replaced_whole_and_leaves_nothing_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.cache"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        replace_file(path, b"new and longer")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new and longer"
    assert list(tmp_path.iterdir()) == [path]
