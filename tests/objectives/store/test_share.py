from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event, Thread

import pytest

from qpareto.objectives.store.share import do_all


def parts(names: str, done: list[str]) -> dict[str, Callable[[], object]]:
    return {name: partial(done.append, name) for name in names}


def test_every_part_is_done_once_and_nothing_stays_behind(tmp_path: Path) -> None:
    done: list[str] = []
    do_all(parts("abc", done), folder=tmp_path / "new")
    assert sorted(done) == ["a", "b", "c"]
    assert list((tmp_path / "new").iterdir()) == []


def test_what_another_is_doing_is_left_to_it_while_there_is_something_else_to_do(tmp_path: Path) -> None:
    done: list[str] = []
    begun, rest = Event(), Event()

    def slow() -> None:
        begun.set()
        assert rest.wait(60)

    other = Thread(target=do_all, args=({"slow": slow},), kwargs={"folder": tmp_path})
    other.start()
    assert begun.wait(60)

    def told() -> None:
        done.append("slow")
        rest.set()

    do_all({"slow": told, **parts("ab", done)}, folder=tmp_path)
    other.join()
    assert done == ["a", "b", "slow"]
    assert list(tmp_path.iterdir()) == []


def test_what_doing_a_part_raises_goes_up_and_the_part_is_free_again(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError("no room")

    done: list[str] = []
    with pytest.raises(OSError, match="no room"):
        do_all({"a": fail, **parts("b", done)}, folder=tmp_path)
    assert done == []
    assert list(tmp_path.iterdir()) == []
