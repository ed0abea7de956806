"""OpenVINO is loaded without its telemetry: nothing is sent, and nothing runs beside a timing."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

LOADED = """
import os, sys, threading
forks = []
os.register_at_fork(before=lambda: forks.append(threading.current_thread().name))
sys.path[:] = {path!r}
{before}
from qpareto.objectives.engines.openvino.library import library
openvino = library()
assert openvino is library() is sys.modules["openvino"]
assert openvino.Core().available_devices
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(20)
print(len(forks), sys.modules.get("openvino_telemetry", "absent") == "absent")
"""


def told(before: str = "") -> list[str]:
    script = LOADED.format(path=sys.path, before=before)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_no_telemetry_is_loaded_and_nothing_is_forked() -> None:
    assert told() == ["0", "True"]


@pytest.mark.skipif(find_spec("openvino_telemetry") is None, reason="needs openvino-telemetry, which OpenVINO brings")
def test_what_the_user_has_loaded_is_left_as_it_is() -> None:
    assert told("import openvino_telemetry")[1] == "False"
    assert told("import openvino")[1] == "False"
