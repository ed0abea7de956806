"""Which processes of ours have a device open, by their locks alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qpareto.objectives.isolation.child import run_in_child
from qpareto.objectives.isolation.presence import announce, others_of_ours


@pytest.fixture(autouse=True)
def _locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QPARETO_LOCK_DIR", str(tmp_path))


def test_a_process_that_lives_counts_once_and_one_that_has_ended_not_at_all(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert others_of_ours("gpu") == 0
    for _ in range(2):
        run_in_child(announce, "gpu", timeout_s=60, log_path=log, kept="lives")
    run_in_child(announce, "gpu", timeout_s=60, log_path=log)
    assert others_of_ours("gpu") == 1
    assert len(list(tmp_path.glob("gpu.open/*"))) == 1  # the other one's file is gone
    assert others_of_ours("another") == 0


def test_a_process_is_none_of_the_others(tmp_path: Path) -> None:
    assert run_in_child(_announced_and_counted, timeout_s=60, log_path=tmp_path / "log") == 0


def _announced_and_counted() -> int:
    announce("gpu")
    return others_of_ours("gpu")


def test_another_user_may_say_so_too_and_look_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        run_in_child(announce, "gpu", timeout_s=60, log_path=tmp_path / "log", kept="under another umask")
    finally:
        os.umask(before)
    (file,) = tmp_path.glob("gpu.open/*")
    assert oct(file.stat().st_mode & 0o777) == "0o644"
    assert oct(file.parent.stat().st_mode & 0o7777) == "0o1777"
