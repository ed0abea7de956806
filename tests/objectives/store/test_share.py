from __future__ import annotations

from functools import partial
from pathlib import Path
from threading import Event, Thread

import pytest

from qpareto.objectives.store import Store
from qpareto.objectives.store.share import Part, do_all


def part(store: Store, key: str, made: list[str]) -> Part:
    def fill(folder: Path) -> None:
        (folder / "file").write_text(key)
        made.append(key)

    return Part(partial(store.make, "kind", key, fill), partial(store.is_being_made, "kind", key))


def test_every_part_is_done_once(tmp_path: Path) -> None:
    store, made = Store(tmp_path), list[str]()
    do_all([part(store, key, made) for key in "abcb"])
    do_all([part(store, key, made) for key in "bad"])
    assert sorted(made) == ["a", "b", "c", "d"]


def test_what_another_is_making_is_left_to_it_while_there_is_something_else_to_do(tmp_path: Path) -> None:
    store, made, begun, rest = Store(tmp_path), list[str](), Event(), Event()

    def fill(folder: Path) -> None:
        begun.set()
        assert rest.wait(60)
        (folder / "file").write_text("slow")
        made.append("slow")

    other = Thread(target=store.make, args=("kind", "slow", fill))
    other.start()
    assert begun.wait(60)
    assert store.is_being_made("kind", "slow")
    last = Part(rest.set, lambda: len(made) < 2)  # wanted after both others
    do_all([part(store, "slow", made), part(store, "a", made), part(store, "b", made), last])
    other.join()
    assert sorted(made[:2]) == ["a", "b"]
    assert made[2:] == ["slow"]
    assert not store.is_being_made("kind", "slow")


def test_what_doing_a_part_raises_goes_up(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        do_all([Part(fail, bool)])
    assert list(tmp_path.iterdir()) == []
