from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.errors import DiskError, EngineError
from qpareto.objectives.store import Store, content_key, disk_errors, file_hash, made_aside, write_whole

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def write_one(folder: Path) -> None:
    (folder / "one.txt").write_text("1")


def entries(folder: Path) -> list[str]:
    """Every file and folder below, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@given(st.dictionaries(st.sampled_from("abcd"), json_values))
def test_a_key_depends_on_the_inputs_and_not_on_their_order(inputs: dict[str, Any]) -> None:
    key = content_key(**inputs)
    assert len(key) == 32
    assert int(key, 16) >= 0
    assert content_key(**dict(reversed(inputs.items()))) == key
    assert content_key(**inputs, e=1) != key


def test_a_key_is_the_same_on_every_machine() -> None:
    expected = hashlib.sha256(b'{"method":"max","sizes":[1,2]}').hexdigest()
    assert content_key(sizes=(1, 2), method="max") == expected[:32]


def test_a_number_that_is_none_has_no_key() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_key(nothing=float("nan"))


def test_a_files_hash_is_of_its_bytes_and_not_of_its_name(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    for path, content in ((one, b"1"), (same, b"1"), (other, b"2")):
        path.write_bytes(content)
    assert file_hash(one) == file_hash(same) != file_hash(other)
    assert file_hash([one, other]) == file_hash([same, other]) != file_hash([other, one])


def test_an_entry_is_made_once_and_found_ever_after(tmp_path: Path) -> None:
    store, calls = Store(tmp_path / "new"), []

    def fill(folder: Path) -> None:
        calls.append(folder)
        write_one(folder)

    assert store.find("kind", "key") is None
    entry = store.make("kind", "key", fill)
    assert store.make("kind", "key", fill) == store.find("kind", "key") == entry == tmp_path / "new" / "kind" / "key"
    assert (entry / "one.txt").read_text() == "1"
    assert len(calls) == 1
    assert entry.stat().st_mode & 0o777 == 0o755  # others may read it, whatever the umask


def test_an_entry_that_failed_leaves_nothing_and_can_be_made_later(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail(folder: Path) -> None:
        write_one(folder)
        raise EngineError("The engine crashed.")

    with pytest.raises(EngineError, match="crashed"):
        store.make("kind", "key", fail)
    assert entries(tmp_path) == ["kind"]
    assert (store.make("kind", "key", write_one) / "one.txt").is_file()


def test_of_two_that_make_an_entry_at_once_the_first_to_finish_wins(tmp_path: Path) -> None:
    store, both_began = Store(tmp_path), threading.Barrier(2, timeout=10)
    found: list[Path] = []

    def work(text: str) -> None:
        def fill(folder: Path) -> None:
            both_began.wait()
            (folder / "who").write_text(text)

        found.append(store.make("kind", "key", fill))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "kind" / "key"] * 2
    assert (found[0] / "who").read_text() in {"a", "b"}
    assert entries(tmp_path) == ["kind", "kind/key", "kind/key/who"]


def test_who_is_killed_while_making_an_entry_leaves_none(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from qpareto.objectives.store import Store\n"
        "def fill(folder):\n"
        "    (folder / 'half').touch(); print('began', flush=True); time.sleep(60)\n"
        "Store(Path(sys.argv[1])).make('kind', 'key', fill)"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "began\n"
        os.kill(maker.pid, signal.SIGKILL)
    store = Store(tmp_path)
    assert store.find("kind", "key") is None
    assert [path.name for path in store.make("kind", "key", write_one).iterdir()] == ["one.txt"]


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
    assert entries(tmp_path) == ["new"]
    make(interrupted=False)
    assert entries(tmp_path / "new") == ["target", "target/one.txt"]


def test_a_folder_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    write_one(tmp_path / "target")
    with pytest.raises(OSError, match="not empty"), made_aside(tmp_path / "target") as folder:
        (folder / "two").touch()
    assert entries(tmp_path) == ["target", "target/one.txt"]


@pytest.mark.parametrize("cache", ["file", "file/below", "dangling"])
def test_a_file_where_the_folder_should_be_is_told_in_one_sentence(tmp_path: Path, cache: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "file" / "nowhere")
    with pytest.raises(DiskError, match=r"Cannot write .*(File exists|Not a directory)") as caught:
        Store(tmp_path / cache).make("kind", "key", write_one)
    assert "\n" not in str(caught.value)


def test_a_folder_where_the_file_should_be_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="Is a directory"):
        write_whole(tmp_path, "text")
    assert entries(tmp_path) == []


def test_what_is_no_fault_of_the_disk_comes_through_as_it_is(tmp_path: Path) -> None:
    for error in (ValueError("ours"), FileNotFoundError(2, "No such file"), EngineError("It crashed.")):
        with pytest.raises(type(error)) as caught, disk_errors(tmp_path / "not" / "there"):
            raise error
        assert caught.value is error


def test_nothing_half_written_stays_on_a_full_disk(nearly_full_disk: Callable[[int], Path]) -> None:
    disk = nearly_full_disk(64)

    def fill(folder: Path) -> None:
        (folder / "b").write_bytes(bytes(128 << 10))

    with pytest.raises(DiskError, match="No space left on device, 0 MiB free"):
        write_whole(disk / "a.txt", "a" * (128 << 10))
    with pytest.raises(DiskError, match="No space left"):
        Store(disk / "cache").make("kind", "key", fill)
    assert entries(disk) == ["cache", "cache/kind", "filler"]


@pytest.mark.parametrize("error", [RuntimeError("ofstream failed"), OSError("12 requested and 7 written")])
def test_a_full_disk_is_recognised_whatever_the_library_says(
    nearly_full_disk: Callable[[int], Path], error: Exception
) -> None:
    store = Store(nearly_full_disk(64))

    def fill(folder: Path) -> None:
        (folder / "a").write_bytes(bytes(32 << 10))
        raise error

    with pytest.raises(DiskError, match="No space left on device"):
        store.make("kind", "key", fill)
    assert entries(store.root) == ["filler", "kind"]


def test_full_temporary_files_are_recognised_too(
    tmp_path: Path, nearly_full_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(nearly_full_disk(64)))
    with pytest.raises(DiskError, match="TMPDIR"), disk_errors(tmp_path):
        raise RuntimeError("a library could not write its temporary file")


def test_a_discarded_entry_is_gone_and_can_be_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    entry = store.make("kind", "key", write_one)
    for _ in range(2):  # whoever comes second finds nothing, and that is well
        store.discard("kind", "key")
        assert entries(tmp_path) == ["kind"]
    assert store.make("kind", "key", write_one) == entry
