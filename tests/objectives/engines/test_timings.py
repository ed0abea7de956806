"""Timings by which builds choose kernels have a name, which is in the key of every engine that was built by them."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contracts.engines import SmallDetector
from kernels import kernels_of_shared_dir
from qpareto.objectives.engines.build import engine_from_onnx, find_engine
from qpareto.objectives.engines.openvino.kind import OpenVinoKind, OpenVinoOptions
from qpareto.objectives.engines.timings import name_of_timings, rename_timings, share_timings
from qpareto.objectives.store import Remote, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_timings_are_begun_once_and_named(tmp_path: Path, store: Store) -> None:
    file = tmp_path / "caches" / "timing-gpu-8.6.1.cache"
    with ThreadPoolExecutor(4) as workers:
        names = set(workers.map(lambda _: name_of_timings(file, store), range(20)))
    assert len(names) == 1
    assert file.read_bytes() == b""
    assert {path.name for path in file.parent.iterdir()} == {"timing-gpu-8.6.1.cache", "timing-gpu-8.6.1.name"}
    assert name_of_timings(tmp_path / "other" / file.name, store) not in names


def test_a_copy_of_the_folder_has_the_same_name_and_a_file_of_its_own_none(tmp_path: Path, store: Store) -> None:
    file = tmp_path / "caches" / "timing-gpu-8.6.1.cache"
    name = name_of_timings(file, store)
    shutil.copytree(file.parent, tmp_path / "copy")
    assert name_of_timings(tmp_path / "copy" / file.name, store) == name
    (tmp_path / "bare").mkdir()
    shutil.copyfile(file, tmp_path / "bare" / file.name)
    assert name_of_timings(tmp_path / "bare" / file.name, store) is None


@pytest.mark.parametrize("lost", ["removed", "replaced"])
def test_timings_that_are_lost_take_their_name_with_them(lost: str, tmp_path: Path, store: Store) -> None:
    file = tmp_path / "caches" / "timing-gpu-8.6.1.cache"
    name = name_of_timings(file, store)
    file.unlink() if lost == "removed" else rename_timings(file)
    assert name_of_timings(file, store) not in {name, None}


def test_a_machine_without_timings_begins_with_those_that_another_has_shared(tmp_path: Path) -> None:
    remote = Remote(f"file://{tmp_path / 'remote'}")
    first, second, third = (Store(tmp_path / name, remote) for name in ("first", "second", "third"))
    files = [store.root / "engine-caches" / "timing-gpu-8.6.1.cache" for store in (first, second, third)]
    name = name_of_timings(files[0], first)
    own = name_of_timings(files[2], third)
    files[0].write_bytes(b"what kernels took")
    share_timings(files[0], first)
    assert name_of_timings(files[1], second) == name
    assert files[1].read_bytes() == b"what kernels took"
    files[1].write_bytes(b"and more")
    share_timings(files[1], second)
    files[0].write_bytes(b"later")
    share_timings(files[0], first)
    assert (name_of_timings(files[2], third), files[2].read_bytes()) == (own, b"")
    fourth = Store(tmp_path / "fourth", remote)
    assert name_of_timings(fourth.root / files[0].name, fourth) == name
    assert (fourth.root / files[0].name).read_bytes() == b"what kernels took"  # as they were shared first


def test_nothing_is_shared_without_a_remote_or_a_name(tmp_path: Path, store: Store) -> None:
    file = tmp_path / "caches" / "timing-gpu-8.6.1.cache"
    name_of_timings(file, store)
    share_timings(file, store)
    bare = tmp_path / "bare" / file.name
    bare.parent.mkdir()
    bare.write_bytes(b"of before names")
    share_timings(bare, Store(tmp_path / "other", Remote(f"file://{tmp_path / 'remote'}")))
    assert not (store.root / "timings").exists()
    assert not (tmp_path / "remote").exists()


def test_an_engine_that_was_built_by_other_timings_is_another_engine(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenVinoKind, "timing_cache", kernels_of_shared_dir)  # it keeps none of its own
    options = OpenVinoOptions(threads=1, shared_dir=tmp_path / "caches")
    built = engine_from_onnx(SmallDetector(quantized=True).save(tmp_path / "graph.onnx"), "a hash", options, store)
    assert find_engine("a hash", options, store) == built
    (tmp_path / "caches").rename(tmp_path / "kept")
    (tmp_path / "caches").mkdir()
    (tmp_path / "caches" / "kernels").write_bytes(b"of another machine, from before names")
    assert find_engine("a hash", options, store) is None
    shutil.rmtree(tmp_path / "caches")
    assert find_engine("a hash", options, store) is None
    shutil.rmtree(tmp_path / "caches")
    (tmp_path / "kept").rename(tmp_path / "caches")
    assert find_engine("a hash", options, store) == built
