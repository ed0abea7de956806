from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.objectives.store import Store, eviction
from qpareto.objectives.store.entries import Entry, entries_of
from qpareto.objectives.store.eviction import LEFT_BEHIND_S, _is_evicted, clean, shrink, to_evict
from store_contents import LONG_AGO_S, contents, of_size, unused_for, write_one

some_entries = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=12).map(
    lambda rows: [Entry(Path(str(i)), size, float(used)) for i, (size, used) in enumerate(rows)]
)

READER = """
import sys, time; from pathlib import Path
from qpareto.objectives.store import Store, eviction
eviction.GRACE_S = 0.6
store, deadline, reads = Store(Path(sys.argv[1]), limit_bytes=250_000), time.monotonic() + 3, 0
while time.monotonic() < deadline:
    key = "abcd"[int(time.monotonic() / 0.4) % 4]  # all want the same, then none wants it for a while
    entry = store.make("kind", key, lambda folder: (folder / "data").write_text(key * 100_000))
    assert (entry / "data").read_text() == key * 100_000
    reads += 1
    time.sleep(0.02)
print(reads, store.counts["made"], store.counts["damaged"])
"""


@given(some_entries, st.integers(-5, 400), st.integers(0, 21))
def test_what_was_unused_the_longest_goes_first_and_no_more_than_it_takes(
    entries: list[Entry], excess: int, since: int
) -> None:
    gone = to_evict(entries, excess_bytes=excess, unused_since_s=since)
    stay = [entry for entry in entries if entry not in gone]
    assert all(entry.used_s < since for entry in gone)  # nothing in use
    assert all(old.used_s <= kept.used_s for old in gone for kept in stay)  # the oldest first
    freed = sum(entry.size_bytes for entry in gone)
    assert freed >= excess or all(entry.used_s >= since for entry in stay)  # enough, or all that may go
    if gone:
        assert freed - gone[-1].size_bytes < excess  # and not one more


@given(sizes=st.lists(st.integers(200, 3000), min_size=1, max_size=8), limit=st.integers(1000, 8000))
def test_a_cache_in_which_nothing_is_in_use_stays_within_its_limit(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int
) -> None:
    store = Store(tmp_path_factory.mktemp("cache"), limit_bytes=limit)
    for i, size in enumerate(sizes):
        unused_for(store.make("kind", str(i), of_size(size)), LONG_AGO_S - i)
        others = [entry for entry in entries_of(store.root) if entry.path.name != str(i)]
        newest = next(entry for entry in entries_of(store.root) if entry.path.name == str(i))
        assert not others or sum(e.size_bytes for e in others) + newest.size_bytes <= limit
        kept = sorted(int(entry.path.name) for entry in entries_of(store.root))
        assert kept == list(range(kept[0], i + 1))  # the newest


def test_what_was_used_within_the_hour_stays_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path, limit_bytes=1000)
    for key in "abc":
        store.make("kind", key, of_size(1000))
    assert len(entries_of(tmp_path)) == 3
    (said,) = caplog.messages
    assert "is above cache_limit_gib=" in said
    assert "used within the last hour: raise the limit" in said


def test_an_entry_that_somebody_begins_to_use_is_not_evicted(tmp_path: Path) -> None:
    unused_for(Store(tmp_path).make("kind", "key", write_one))
    (listed,) = entries_of(tmp_path)
    Store(tmp_path).find("kind", "key")
    assert not _is_evicted(listed)
    assert Store(tmp_path).find("kind", "key") is not None
    unused_for(listed.path)
    (listed,) = entries_of(tmp_path)
    assert [_is_evicted(listed), _is_evicted(listed)] == [True, False]  # whoever comes second finds nothing
    assert contents(tmp_path) == ["kind"]


def test_a_mapped_file_is_read_on_though_its_entry_is_evicted(tmp_path: Path) -> None:
    pixels = np.arange(1 << 20, dtype=np.uint8)
    entry = Store(tmp_path).make("kind", "key", lambda folder: np.save(folder / "pixels.npy", pixels))
    mapped = np.load(entry / "pixels.npy", mmap_mode="r")
    unused_for(entry)
    assert shrink(tmp_path, 0) > 1 << 20
    assert not entry.exists()
    assert (mapped == pixels).all()


def test_readers_beside_eviction_always_find_whole_entries(tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-c", READER, tmp_path]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate() for process in started]
    assert [error for _, error in told if "Error" in error] == []
    reads, made, damaged = np.array([[int(n) for n in out.split()] for out, _ in told]).sum(axis=0)
    assert reads > 20
    assert made > 4  # some were evicted and made again
    assert damaged == 0


def test_what_a_user_keeps_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "photos" / "2026"
    own.mkdir(parents=True)
    write_one(own)
    unused_for(own, LEFT_BEHIND_S * 9)
    shrink(tmp_path, 0)
    clean(tmp_path, damaged_s=0)
    assert (own / "one.txt").is_file()


def test_what_killed_processes_left_is_removed_when_it_is_a_day_old(tmp_path: Path) -> None:
    old, new = (tmp_path / "kind" / f".{name}-x.aside" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        write_one(folder)
        unused_for(folder, LEFT_BEHIND_S + 60)
    unused_for(old / "one.txt", LEFT_BEHIND_S + 60)
    clean(tmp_path)
    assert contents(tmp_path / "kind") == [".new-x.aside", ".new-x.aside/one.txt"]  # something is still written there


def test_the_oldest_logs_of_too_many_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eviction, "LOGS_BYTES", 250)
    logs = tmp_path / "logs"
    logs.mkdir()
    for i, age_s in enumerate((9000, 8000, 7000, 10)):
        (logs / f"{i}.log").write_text("x" * 100)
        then = time.time() - age_s
        os.utime(logs / f"{i}.log", (then, then))
    clean(tmp_path)
    assert contents(logs) == ["2.log", "3.log"]
