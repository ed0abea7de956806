from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from qpareto.errors import DiskError, StudyFileError
from qpareto.objectives.store import Remote, Store, is_whole, remote
from store_contents import contents, flip_a_byte, of_size, write_one

CUT_OFF = """
import os, sys, time; from pathlib import Path
import fsspec; from fsspec.implementations.local import LocalFileSystem
from qpareto.objectives.store import Remote, Store
class CutOff(LocalFileSystem):
    def put_file(self, path, target, **kwargs):
        content = open(path, "rb").read()
        self.makedirs(self._parent(target), exist_ok=True)
        with open(target, "wb") as stream:
            stream.write(content[: len(content) // 2])
        print("half", flush=True); time.sleep(60)
fsspec.register_implementation("file", CutOff, clobber=True)
store = Store(Path(sys.argv[1]), Remote(sys.argv[2]))
store.make("kind", "key", lambda folder: (folder / "zeros.bin").write_bytes(bytes(999 - 150)))
"""


class Faulty(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A file system in memory that fails at its n-th call."""

    protocol = "faulty"
    store: dict[str, Any] = {}  # noqa: RUF012 - as its base has it
    pseudo_dirs = [""]  # noqa: RUF012
    calls = 0
    fails_at = 0

    def _count(self) -> None:
        Faulty.calls += 1
        if Faulty.calls >= Faulty.fails_at:
            raise ConnectionError("reset by peer while calling faulty://me:secret@host/x?token=abc with 'secret'")

    def get_file(self, *args: Any, **kwargs: Any) -> Any:
        self._count()
        return super().get_file(*args, **kwargs)

    def put_file(self, *args: Any, **kwargs: Any) -> Any:
        self._count()
        return super().put_file(*args, **kwargs)

    def cat_file(self, *args: Any, **kwargs: Any) -> Any:
        self._count()
        return super().cat_file(*args, **kwargs)


def fill(folder: Path) -> None:
    (folder / "below").mkdir()
    (folder / "one.txt").write_text("1" * 1000)
    (folder / "below" / "two.txt").write_text("2" * 2000)


def not_again(folder: Path) -> None:
    raise AssertionError("it is there, and need not be made")


def stored_bytes(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in contents(path) if (path / name).is_file()}


@pytest.fixture(autouse=True)
def rested() -> Iterator[None]:
    """No remote is left alone for what another test did to it."""
    yield
    remote._resting.clear()
    Faulty.calls, Faulty.fails_at = 0, 0
    Faulty.store.clear()


class RemoteContract:
    """What every file system that fsspec reaches must do."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def blobs(self, url: str) -> list[str]:
        """The paths of all blobs after one entry was made."""
        system, root = fsspec.core.url_to_fs(url)
        return sorted(system.find(f"{root}/blobs"))

    @pytest.fixture
    def made(self, url: str, tmp_path: Path) -> Path:
        return Store(tmp_path / "one machine", Remote(url)).make("kind", "key", fill)

    def test_what_one_machine_made_another_fetches(self, made: Path, url: str, tmp_path: Path) -> None:
        other = Store(tmp_path / "another", Remote(url))
        fetched = other.make("kind", "key", not_again)
        assert stored_bytes(fetched) == stored_bytes(made)
        assert is_whole(fetched)
        assert other.counts == {"fetched": 1, "found": 1}
        assert Store(tmp_path / "third", Remote(url)).find("kind", "key") is not None

    def test_what_nobody_has_made_is_not_there(self, url: str, tmp_path: Path) -> None:
        store = Store(tmp_path / "cache", Remote(url))
        assert store.find("kind", "key") is None
        assert not store.root.exists()

    def test_what_is_true_here_only_does_not_travel(self, url: str, tmp_path: Path) -> None:
        Store(tmp_path / "one", Remote(url)).local.make("kind", "key", fill)
        assert Store(tmp_path / "two", Remote(url)).find("kind", "key") is None

    def test_a_damaged_blob_is_found_removed_told_and_mended(
        self, made: Path, url: str, blobs: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        system, _ = fsspec.core.url_to_fs(url)
        content = system.cat_file(blobs[0])
        system.pipe_file(blobs[0], b"?" + content[1:])
        store = Store(tmp_path / "another", Remote(url))
        assert store.find("kind", "key") is None
        assert "is not what was put there: it is removed, and made again" in caplog.text
        assert contents(store.root) == ["kind"]
        store.make("kind", "key", fill)
        assert store.counts["made"] == 1
        assert system.cat_file(blobs[0]) == content
        Store(tmp_path / "third", Remote(url)).make("kind", "key", not_again)

    @pytest.mark.parametrize("gone", [0, 1])
    def test_an_entry_that_lost_a_blob_is_made_again(
        self, made: Path, url: str, blobs: list[str], tmp_path: Path, gone: int
    ) -> None:
        system, _ = fsspec.core.url_to_fs(url)
        system.rm_file(blobs[gone])
        Store(tmp_path / "another", Remote(url)).make("kind", "key", fill)
        Store(tmp_path / "third", Remote(url)).make("kind", "key", not_again)

    def test_a_damaged_seal_is_none(self, made: Path, url: str, tmp_path: Path) -> None:
        system, root = fsspec.core.url_to_fs(url)
        system.pipe_file(f"{root}/kind/key.json", b'{"seal": 2, "files": {"../one.txt": [1, "\xff"]}}')
        assert Store(tmp_path / "another", Remote(url)).find("kind", "key") is None


class TestMemory(RemoteContract):
    @pytest.fixture
    def url(self) -> Iterator[str]:
        yield "memory://bucket/prefix"
        MemoryFileSystem.store.clear()


class TestFile(RemoteContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"file://{tmp_path}/share/of all"

    def test_equal_files_are_kept_once_under_their_own_hash(self, url: str, tmp_path: Path) -> None:
        store = Store(tmp_path / "cache", Remote(url))
        for key in "ab":
            store.make("kind", key, write_one)
        digest = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
        files = [name for name in contents(tmp_path / "share" / "of all") if "." in name or len(name) > 64]
        assert files == [f"blobs/6b/{digest}", "kind/a.json", "kind/b.json"]

    def test_an_upload_that_was_cut_off_is_never_seen_and_completed_by_the_next(self, url: str, tmp_path: Path) -> None:
        command: list[str | Path] = [sys.executable, "-c", CUT_OFF, tmp_path / "killed", url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "half\n"
            process.kill()
        other = Store(tmp_path / "other", Remote(url))
        assert other.find("kind", "key") is None
        other.make("kind", "key", of_size(999))
        Store(tmp_path / "third", Remote(url)).make("kind", "key", not_again)


def test_a_remote_that_fills_up_fails_nothing(
    nearly_full_disk: Callable[[int], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = nearly_full_disk(64)
    store = Store(tmp_path / "cache", Remote(f"file://{disk}"))
    store.make("kind", "key", of_size(128 << 10))
    assert is_whole(store.root / "kind" / "key")
    assert "No space left on device" in caplog.text
    assert Store(tmp_path / "other", Remote(f"file://{disk}")).find("kind", "key") is None


def test_a_full_local_disk_is_no_fault_of_the_remote(
    nearly_full_disk: Callable[[int], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"file://{tmp_path}/share"
    Store(tmp_path / "cache", Remote(url)).make("kind", "key", of_size(99 << 10))
    store = Store(nearly_full_disk(64), Remote(url))
    with pytest.raises(DiskError, match="No space left on device"):
        store.find("kind", "key")
    assert contents(store.root) == ["filler", "kind"]
    assert caplog.messages == []


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
def test_a_remote_that_fails_in_the_middle_fails_nothing_and_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fails_at: int
) -> None:
    fsspec.register_implementation("faulty", Faulty, clobber=True)
    url, Faulty.fails_at = "faulty://me:secret@host/x?token=abc", fails_at
    store = Store(tmp_path / "cache", Remote(url))
    for key in "abc":
        assert is_whole(store.make("kind", key, fill))
    (said,) = caplog.messages
    assert said.startswith("The remote cache faulty://host/x failed (ConnectionError: reset by peer while calling")
    assert said.endswith("the local one goes on alone, and it is tried again every 10 minutes.")
    assert "secret" not in said
    assert "token" not in said
    calls = Faulty.calls
    assert store.find("kind", "d") is None
    assert Faulty.calls == calls == fails_at  # it is left alone


def test_a_download_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    fsspec.register_implementation("faulty", Faulty, clobber=True)
    Faulty.fails_at = 99
    Store(tmp_path / "cache", Remote("faulty://x")).make("kind", "key", fill)
    Faulty.calls, Faulty.fails_at = 0, 3  # the seal and one of two files
    store = Store(tmp_path / "other", Remote("faulty://x"))
    assert store.find("kind", "key") is None
    assert contents(store.root) == ["kind"]


def test_a_remote_is_tried_again_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "RETRY_S", 0.0)
    share = tmp_path / "share"
    share.touch()  # where a folder should be
    store = Store(tmp_path / "cache", Remote(f"file://{share}"))
    store.make("kind", "a", fill)
    share.unlink()
    store.make("kind", "b", fill)
    shutil.rmtree(store.root)
    assert [store.find("kind", key) is not None for key in "ab"] == [False, True]


def test_a_corrupt_local_entry_is_fetched_instead_of_made(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache", Remote(f"file://{tmp_path}/share"))
    flip_a_byte(store.make("kind", "key", fill) / "one.txt")
    assert is_whole(store.make("kind", "key", not_again))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("bucket/prefix", "cache_remote is no URL: write one such as s3://bucket/prefix"),
        ("nowhere://me:secret@host", "cache_remote cannot be used: nowhere:// has no driver here"),
    ],
)
def test_a_url_without_a_driver_is_refused_in_one_sentence(url: str, said: str) -> None:
    with pytest.raises(StudyFileError) as caught:
        Remote(url).check()
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_url_with_a_driver_passes() -> None:
    Remote("memory://bucket").check()
