from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from typing import Any

import psutil
import pytest

from qpareto.search.study.processes import this_process


def of_a_process_that_ended() -> dict[str, Any]:
    with subprocess.Popen(["sleep", "60"]) as process:
        started = psutil.Process(process.pid).create_time()
        process.kill()
    return {"pid": process.pid, "started": started}


@pytest.mark.parametrize(
    ("changed", "gone"),
    [
        (of_a_process_that_ended(), True),
        ({}, False),
        ({"started": 0.0}, True),  # the number was given to another process since
        ({"machine": "another", "pid": 1 << 22, "started": 0.0}, False),  # cannot be known
        ({"machine": "the same, started anew", "started": 0.0}, False),
    ],
    ids=["ended", "alive", "number taken", "elsewhere", "another boot"],
)
def test_a_process_is_gone_once_that_is_known(changed: dict[str, Any], gone: bool) -> None:
    assert replace(this_process(), **changed).is_gone() is gone


def test_a_process_that_nobody_has_waited_for_is_gone() -> None:
    process = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        started = psutil.Process(process.pid).create_time()
        assert replace(this_process(), pid=process.pid, started=started).is_gone()
    finally:
        process.wait()
