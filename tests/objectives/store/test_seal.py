from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.objectives.store import SEAL, is_whole
from qpareto.objectives.store.seal import Seal, is_whole_or_was, remember_whole, seal, seal_of


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    return sealed_folder(tmp_path / "entry")


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield sealed_folder(Path(folder) / "entry")


def sealed_folder(folder: Path) -> Path:
    (folder / "below").mkdir(parents=True)
    (folder / "one.txt").write_text("one")
    (folder / "below" / "two.bin").write_bytes(bytes(range(256)))
    (folder / "empty").touch()
    seal(folder)
    return folder


def test_a_seal_tells_sizes_and_what_sha256sum_prints(sealed: Path) -> None:
    found = seal_of(sealed)
    assert found is not None
    assert {name: file.bytes for name, file in found.files.items()} == {"below/two.bin": 256, "empty": 0, "one.txt": 3}
    assert found.files["one.txt"].sha256 == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    assert found.bytes == 259
    assert Seal.from_text(found.to_text()) == found


@given(data=st.data(), bit=st.integers(0, 7))
def test_any_bit_that_flipped_in_any_file_is_seen(scratch: Path, data: st.DataObject, bit: int) -> None:
    path = scratch / data.draw(st.sampled_from(["one.txt", "below/two.bin", SEAL]))
    whole, before = path.read_bytes(), seal_of(scratch)
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= 1 << bit
    path.write_bytes(flipped)
    try:
        assert not is_whole(scratch) or seal_of(scratch) == before  # or a blank of the seal became another blank
    finally:
        path.write_bytes(whole)
    assert is_whole(scratch)


def test_a_folder_without_a_seal_is_not_whole(sealed: Path) -> None:
    (sealed / SEAL).unlink()
    assert not is_whole(sealed)
    assert not is_whole(sealed / "absent")


def test_a_file_that_was_cut_renamed_added_or_removed_is_seen(sealed: Path) -> None:
    copies = [Path(shutil.copytree(sealed, sealed.with_name(name))) for name in ("cut", "renamed", "added", "removed")]
    os.truncate(copies[0] / "below" / "two.bin", 255)
    (copies[1] / "empty").rename(copies[1] / "void")
    (copies[2] / "more").touch()
    (copies[3] / "empty").unlink()
    assert [is_whole(copy) for copy in (sealed, *copies)] == [True, False, False, False, False]


def test_a_process_reads_the_files_once_and_then_looks_at_size_time_and_inode(sealed: Path) -> None:
    assert is_whole_or_was(sealed)
    path = sealed / "one.txt"
    status = path.stat()
    path.write_text("two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert is_whole_or_was(sealed)  # not read again
    os.utime(path)
    assert not is_whole_or_was(sealed)


def test_who_sealed_a_folder_need_not_read_it_again(sealed: Path) -> None:
    path = sealed / "one.txt"
    status = path.stat()
    remember_whole(sealed)
    path.write_text("two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert is_whole_or_was(sealed)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"seal": 1, "files": {}}', '{"seal": 2, "files": {"a": [1]}}', '{"seal": 2, "files": []}'],
)
def test_what_is_no_seal_of_this_version_is_none(text: str) -> None:
    assert Seal.from_text(text) is None


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../out", "", ".", "a//b", "a/./b"])
def test_a_seal_that_names_a_file_outside_of_its_folder_is_none(name: str) -> None:
    assert Seal.from_text(f'{{"seal": 2, "files": {{"{name}": [1, "00"]}}}}') is None
