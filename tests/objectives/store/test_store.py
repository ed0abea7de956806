from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from qpareto.errors import DiskError, EngineError
from qpareto.objectives.store import SEAL, Store, write_whole
from store_contents import contents, flip_a_byte, of_size, unused_for, write_one

ONE_OF_MANY = """
import sys, time; from pathlib import Path; from qpareto.objectives.store import Store
def fill(folder):
    with open(sys.argv[2], "a") as made:
        made.write("made\\n")
    time.sleep(0.3)
    (folder / "one.txt").write_text("1")
sys.stdin.read(1)
print((Store(Path(sys.argv[1])).make("kind", "key", fill) / "one.txt").read_text())
"""


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
    assert contents(store.root) == ["kind", "kind/key", "kind/key/one.txt"]
    assert store.counts == {"made": 1, "found": 2}


def test_others_may_read_an_entry_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        entry = Store(tmp_path).make("kind", "key", write_one)
    finally:
        os.umask(before)
    assert entry.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in entry.iterdir()} == {0o644}


def test_an_entry_that_failed_leaves_nothing_and_can_be_made_later(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail(folder: Path) -> None:
        write_one(folder)
        raise EngineError("The engine crashed.")

    with pytest.raises(EngineError, match="crashed"):
        store.make("kind", "key", fail)
    assert contents(tmp_path) == ["kind"]
    assert (store.make("kind", "key", write_one) / "one.txt").is_file()


def test_of_many_processes_that_want_an_entry_one_makes_it(tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-c", ONE_OF_MANY, tmp_path / "cache", tmp_path / "made"]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    for process in started:  # all at once: they wait for a line
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate() for process in started] == [("1\n", "")] * 6
    assert (tmp_path / "made").read_text() == "made\n"
    assert contents(tmp_path / "cache") == ["kind", "kind/key", "kind/key/one.txt"]


def test_of_two_that_make_an_entry_all_the_same_the_first_to_finish_wins(tmp_path: Path) -> None:
    store, both_began = Store(tmp_path), threading.Barrier(2, timeout=60)
    found: list[Path] = []

    def work(text: str) -> None:
        def fill(folder: Path) -> None:
            (folder.parent / ".key.lock").unlink(missing_ok=True)  # as where nothing can be locked
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
    assert contents(tmp_path) == ["kind", "kind/key", "kind/key/who"]


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
    entry = store.make("kind", "key", write_one)
    assert {path.name for path in entry.iterdir()} == {"one.txt", SEAL}


@pytest.mark.parametrize("cache", ["file", "file/below", "dangling"])
def test_a_file_where_the_folder_should_be_is_told_in_one_sentence(tmp_path: Path, cache: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "file" / "nowhere")
    with pytest.raises(DiskError, match=r"Cannot write .*(File exists|Not a directory)") as caught:
        Store(tmp_path / cache).make("kind", "key", write_one)
    assert "\n" not in str(caught.value)


def test_a_discarded_entry_is_gone_and_can_be_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    entry = store.make("kind", "key", write_one)
    for _ in range(2):  # whoever comes second finds nothing, and that is well
        store.discard("kind", "key")
        assert contents(tmp_path) == ["kind"]
    assert store.make("kind", "key", write_one) == entry


@pytest.mark.parametrize("damaged", ["one.txt", SEAL])
def test_a_damaged_entry_is_set_aside_told_and_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: str
) -> None:
    store = Store(tmp_path)
    entry = store.make("kind", "key", write_one)
    flip_a_byte(entry / damaged)
    assert store.find("kind", "key") is None
    (aside,) = (tmp_path / "damaged").iterdir()
    found = "is not what was put there" if damaged == "one.txt" else "has no seal that can be read"
    assert caplog.messages == [
        f"The entry kind/key of the cache {found}: it is made again. What was there is in {aside}."
    ]
    assert {path.name for path in aside.iterdir()} == {"one.txt", SEAL}
    assert (store.make("kind", "key", write_one) / "one.txt").read_text() == "1"
    assert store.counts["damaged"] == 1


def test_an_entry_with_a_file_too_few_or_too_many_is_damaged(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (store.make("kind", "few", write_one) / "one.txt").unlink()
    (store.make("kind", "many", write_one) / "two.txt").touch()
    assert [store.find("kind", key) for key in ("few", "many")] == [None, None]


def test_an_entry_of_before_there_were_seals_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = tmp_path / "kind" / "key"
    old.mkdir(parents=True)
    (old / "one.txt").write_text("old")
    store = Store(tmp_path)
    assert (store.make("kind", "key", write_one) / "one.txt").read_text() == "1"
    assert "has no seal" in caplog.text


def test_an_entry_that_another_process_has_mended_meanwhile_is_not_set_aside(tmp_path: Path) -> None:
    store, entry = Store(tmp_path), tmp_path / "kind" / "key"
    store.make("kind", "key", write_one)
    seen = entry.stat().st_ino
    entry.rename(tmp_path / "set aside by the other")
    Store(tmp_path).make("kind", "key", write_one)
    store._set_aside(entry, seen)
    assert (entry / "one.txt").is_file()
    assert store.counts["damaged"] == 0


def test_a_store_keeps_to_its_limit(tmp_path: Path) -> None:
    store = Store(tmp_path, limit_bytes=2500)
    for key in "abc":
        unused_for(store.make("kind", key, of_size(1000)))
    store.find("kind", "b")  # used just now
    store.make("kind", "d", of_size(1000))
    assert {path.name for path in (tmp_path / "kind").iterdir()} == {"b", "d"}


def test_nothing_half_written_stays_on_a_full_disk(nearly_full_disk: Callable[[int], Path]) -> None:
    disk = nearly_full_disk(64)

    with pytest.raises(DiskError, match="No space left on device, 0 MiB free"):
        write_whole(disk / "a.txt", "a" * (128 << 10))
    with pytest.raises(DiskError, match="No space left"):
        Store(disk / "cache").make("kind", "key", of_size(128 << 10))
    assert contents(disk) == ["cache", "cache/kind", "filler"]


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
    assert contents(store.root) == ["filler", "kind"]


def test_on_a_full_disk_what_is_unused_makes_room_if_there_is_a_limit(nearly_full_disk: Callable[[int], Path]) -> None:
    store = Store(nearly_full_disk(640), limit_bytes=1 << 30)
    unused_for(store.make("kind", "unused", of_size(200 << 10)))
    store.make("kind", "in use", of_size(200 << 10))
    store.make("kind", "new", of_size(300 << 10))
    assert {path.name for path in (store.root / "kind").iterdir()} == {"in use", "new"}
    with pytest.raises(DiskError, match="No space left"):
        store.make("kind", "too much", of_size(300 << 10))
    assert {path.name for path in (store.root / "kind").iterdir()} == {"in use", "new"}


def test_on_a_full_disk_nothing_is_evicted_without_a_limit(nearly_full_disk: Callable[[int], Path]) -> None:
    store = Store(nearly_full_disk(640))
    unused_for(store.make("kind", "unused", of_size(400 << 10)))
    with pytest.raises(DiskError, match="No space left"):
        store.make("kind", "new", of_size(400 << 10))
    assert {path.name for path in (store.root / "kind").iterdir()} == {"unused"}
