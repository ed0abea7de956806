"""Real faults, from the standard library: a child may do anything and the parent gets a result or one sentence."""

from __future__ import annotations

import builtins
import ctypes
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from qpareto.errors import DiskError, EngineError, QParetoError, StudyFileError
from qpareto.objectives.engines import engine_kind
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.engines.openvino.processor import instruction_sets
from qpareto.objectives.isolation.child import BugInChildError, run_in_child
from qpareto.objectives.tensors import tensor_from_pixels

KILLED = (
    "import sys, time; sys.path[:] = {path!r}\n"
    "from pathlib import Path\n"
    "from qpareto.objectives.isolation.child import run_in_child\n"
    "import subprocess\n"
    "run_in_child(subprocess.run, ['sh', '-c', {shell!r}], timeout_s=60, log_path=Path({log!r}))\n"
)
KEPT = (
    "import os, sys; sys.path[:] = {path!r}\n"
    "from pathlib import Path\n"
    "from qpareto.objectives.isolation.child import run_in_child\n"
    "print(run_in_child(os.getpid, timeout_s=60, log_path=Path({log!r}), kept='t'))\n"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "child.log"


def test_the_result_comes_back_and_so_do_large_arguments(log: Path) -> None:
    large = np.arange(3_000_000, dtype=np.float32)
    assert run_in_child(np.sum, large, timeout_s=60, log_path=log) == np.sum(large)
    assert run_in_child(instruction_sets, timeout_s=60, log_path=log) == instruction_sets()


def test_a_large_request_arrives_although_what_it_calls_takes_seconds_to_import(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine of many cores and a slow disk, where SciPy took 5 s: it was read no further then, for ever."""
    (tmp_path / "slow_to_import.py").write_text(
        "import sys, time\n"
        "if 'child_main.py' in sys.argv[0]:\n"
        "    time.sleep(2.5)\n"
        "def last(values):\n"
        "    return values[-1]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    last = importlib.import_module("slow_to_import").last
    assert run_in_child(last, np.arange(3_000_000), timeout_s=30, log_path=log) == 2_999_999


def test_a_large_result_comes_back(log: Path) -> None:
    assert len(run_in_child(os.urandom, 50_000_000, timeout_s=60, log_path=log)) == 50_000_000


def test_a_segmentation_fault_is_named_and_its_stack_is_in_the_log(log: Path) -> None:
    with pytest.raises(
        EngineError, match=r"The step 'string at' crashed with SIGSEGV \(Segmentation fault\): .*\. Its log: "
    ) as error:
        run_in_child(ctypes.string_at, 0, timeout_s=60, log_path=log)
    assert error.value.log_path == log
    assert "Segmentation fault" in log.read_text()


def test_an_abort_is_named(log: Path) -> None:
    with pytest.raises(EngineError, match="SIGABRT"):
        run_in_child(os.abort, timeout_s=60, log_path=log)


def test_a_kill_is_told_as_the_want_of_memory_that_it_mostly_is(log: Path) -> None:
    with pytest.raises(EngineError, match="memory ran out"):
        run_in_child(signal.raise_signal, signal.SIGKILL, timeout_s=60, log_path=log)


@pytest.mark.parametrize("status", [0, 3])
def test_an_end_without_a_result_is_told_with_its_status(log: Path, status: int) -> None:
    for leave in (os._exit, sys.exit):
        with pytest.raises(EngineError, match=rf"ended with exit status {status} and no result"):
            run_in_child(leave, status, timeout_s=60, log_path=log)


def test_a_hang_is_stopped_with_all_that_it_started(log: Path) -> None:
    start = time.monotonic()
    with pytest.raises(
        EngineError, match=r"'run' did not end within 3 s and was stopped: raise engine\.run_timeout_s if"
    ):
        run_in_child(
            subprocess.run,
            ["sh", "-c", "echo $$; sleep 60"],
            timeout_s=3,  # in which it has begun, however busy this machine is
            limit="engine.run_timeout_s",
            log_path=log,
        )
    assert time.monotonic() - start < 50
    _expect_gone(int(log.read_text()))


@pytest.mark.parametrize("ending", ["os._exit(3)", "pass"])
def test_what_a_child_forks_and_leaves_behind_ends_with_it_and_delays_nothing(log: Path, ending: str) -> None:
    fork = f"import os, time\nleft = os.fork()\nif not left: time.sleep(60)\nprint(left, flush=True)\n{ending}"
    start = time.monotonic()
    if ending == "pass":
        assert run_in_child(builtins.exec, fork, timeout_s=60, log_path=log) is None
    else:
        with pytest.raises(EngineError, match="exit status 3"):
            run_in_child(builtins.exec, fork, timeout_s=60, log_path=log)
    assert time.monotonic() - start < 50
    _expect_gone(int(log.read_text()))


def test_memory_that_is_not_there_is_told_as_that(log: Path) -> None:
    with pytest.raises(EngineError, match="ran out of memory"):
        run_in_child(bytearray, 1 << 60, timeout_s=60, log_path=log)


@pytest.mark.parametrize(
    "error",
    [
        "ImportError('\\n\\nRead this.\\n\\nlib.so: failed to map segment from shared object')",
        "RuntimeError('std::bad_alloc')",
        "OSError(12, 'Cannot allocate memory')",
    ],
)
def test_memory_that_a_library_lacks_is_told_as_that(log: Path, error: str) -> None:
    with pytest.raises(EngineError, match=r"^The step 'exec' ran out of memory: free some, or lower engine\.batch\."):
        run_in_child(builtins.exec, f"raise {error}", timeout_s=60, log_path=log)


def test_an_exception_is_one_sentence_and_its_traceback_is_in_the_log(log: Path) -> None:
    with pytest.raises(EngineError, match=r"^The step 'open' failed with FileNotFoundError: .*nowhere'\. Its log: "):
        run_in_child(builtins.open, "/nowhere", timeout_s=60, log_path=log)
    assert "Traceback" in log.read_text()
    with pytest.raises(EngineError, match=r"'exec' failed with ImportError: Read this\. Its log: "):
        run_in_child(builtins.exec, "raise ImportError('\\n\\nRead this.\\nAnd this.')", timeout_s=60, log_path=log)


def test_our_own_errors_come_back_as_themselves(log: Path) -> None:
    with pytest.raises(StudyFileError, match=r"engine\.kind is 'abacus'"):
        run_in_child(engine_kind, "abacus", timeout_s=60, log_path=log)


def test_an_engine_error_comes_back_with_the_log(log: Path, tmp_path: Path) -> None:
    from qpareto.objectives.engines.build import build_engine

    with pytest.raises(EngineError, match="Its log: ") as error:
        run_in_child(build_engine, tmp_path / "none.onnx", tmp_path, OpenVinoOptions(), timeout_s=60, log_path=log)
    assert error.value.log_path == log


def test_what_a_library_raises_is_no_bug_of_ours(log: Path) -> None:
    """Of its own functions, whatever it is; of native ones, which have no frame of their own, what is mostly theirs."""
    with pytest.raises(EngineError, match=r"^The step 'loads' failed with TypeError: the JSON object must be str"):
        run_in_child(json.loads, None, timeout_s=60, log_path=log)
    with pytest.raises(EngineError, match=r"^The step 'tensor from pixels' failed with ValueError: axes don't match"):
        run_in_child(tensor_from_pixels, np.zeros((2, 2), np.uint8), timeout_s=60, log_path=log)


def test_a_bug_of_ours_is_no_bad_candidate_and_keeps_its_traceback(log: Path) -> None:
    with pytest.raises(
        BugInChildError, match=r"^The step 'tensor from pixels' failed with AttributeError: 'NoneType'"
    ) as bug:
        run_in_child(tensor_from_pixels, None, timeout_s=60, log_path=log)
    assert str(log) in str(bug.value)
    (note,) = bug.value.__notes__
    assert "tensors.py" in note
    assert note.strip().splitlines()[-1].startswith("AttributeError: 'NoneType'")
    assert not isinstance(bug.value, QParetoError)


OF_OURS = {"__name__": "qpareto.objectives.steps"}


@pytest.mark.parametrize(
    "error", ["AssertionError()", "IndexError()", "KeyError('x')", "NameError()", "ZeroDivisionError()"]
)
def test_what_no_input_excuses_is_a_bug(log: Path, error: str) -> None:
    with pytest.raises(BugInChildError, match=f"failed with {error.partition('(')[0]}"):
        run_in_child(builtins.exec, f"raise {error}", dict(OF_OURS), timeout_s=60, log_path=log)


@pytest.mark.parametrize(
    "error",
    ["ValueError('of NumPy')", "RuntimeError()", "OSError()", "TypeError('pybind11::init(): factory function ...')"],
)
def test_what_a_library_or_the_machine_raises_through_our_code_is_the_candidates(log: Path, error: str) -> None:
    with pytest.raises(EngineError, match=f"failed with {error.partition('(')[0]}"):
        run_in_child(builtins.exec, f"raise {error}", dict(OF_OURS), timeout_s=60, log_path=log)


def test_a_step_that_is_called_wrongly_is_a_bug_of_ours(log: Path) -> None:
    with pytest.raises(BugInChildError, match=r"takes 0 positional arguments but 1 was given"):
        run_in_child(instruction_sets, "AVX2", timeout_s=60, log_path=log)


def test_a_result_that_cannot_be_sent_is_told(log: Path) -> None:
    with pytest.raises(BugInChildError, match="cannot pickle"):
        run_in_child(threading.Lock, timeout_s=60, log_path=log)


def test_a_function_of_main_is_refused(log: Path) -> None:
    def local() -> None: ...

    local.__module__ = "__main__"
    with pytest.raises(ValueError, match="__main__"):
        run_in_child(local, timeout_s=60, log_path=log)


def test_what_python_and_native_code_print_goes_to_the_log_and_not_into_the_result(
    log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_in_child(print, "from Python", timeout_s=60, log_path=log) is None
    assert log.read_text() == "from Python\n"
    assert run_in_child(os.system, "echo from a command; echo and its errors >&2", timeout_s=60, log_path=log) == 0
    assert log.read_text() == "from a command\nand its errors\n"
    assert capfd.readouterr() == ("", "")


def test_huge_output_fills_no_pipe(log: Path) -> None:
    assert run_in_child(os.system, "head -c 20000000 /dev/zero", timeout_s=60, log_path=log) == 0
    assert log.stat().st_size == 20_000_000


def test_the_environment_is_passed_on(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert run_in_child(os.getenv, "OMP_NUM_THREADS", timeout_s=60, log_path=log) == "7"


def test_a_kept_process_serves_one_call_after_the_other_each_with_a_log_of_its_own(tmp_path: Path) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    run_in_child(builtins.exec, "import sys; sys.known = 1; print('one')", timeout_s=60, log_path=first, kept="t")
    run_in_child(builtins.exec, "import sys; print(sys.known + 1)", timeout_s=60, log_path=second, kept="t")
    assert (first.read_text(), second.read_text()) == ("one\n", "2\n")
    fresh = run_in_child(builtins.eval, "hasattr(__import__('sys'), 'known')", timeout_s=60, log_path=first)
    assert fresh is False


@pytest.mark.parametrize("fault", ["int('x')", "__import__('os').abort()", "__import__('time').sleep(60)"])
def test_a_kept_process_that_failed_serves_no_other_call(log: Path, fault: str) -> None:
    def pid() -> int:
        return run_in_child(os.getpid, timeout_s=60, log_path=log, kept="t")

    failed = pid()
    assert pid() == failed
    with pytest.raises(EngineError):
        run_in_child(builtins.eval, fault, timeout_s=3, log_path=log, kept="t")
    _expect_gone(failed)
    assert pid() != failed


def test_a_kept_process_that_died_meanwhile_is_replaced(log: Path) -> None:
    died = run_in_child(os.getpid, timeout_s=60, log_path=log, kept="t")
    os.kill(died, signal.SIGKILL)
    _expect_gone(died)
    assert run_in_child(os.getpid, timeout_s=60, log_path=log, kept="t") != died


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # Python 3.12 on fork
def test_a_kept_process_outlives_a_fork_of_the_one_that_keeps_it(log: Path) -> None:
    """OpenVINO's telemetry forks in a thread: the fork has no other thread, and what those kept is thrown away."""

    def fork() -> int:
        if (pid := os.fork()) == 0:
            gc.collect()
            os._exit(0)
        return os.waitpid(pid, 0)[1]

    kept = run_in_child(os.getpid, timeout_s=60, log_path=log, kept="t")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(fork).result() == 0
    assert run_in_child(os.getpid, timeout_s=60, log_path=log, kept="t") == kept


def test_a_kept_process_dies_with_the_one_that_keeps_it(tmp_path: Path) -> None:
    script = KEPT.format(path=sys.path, log=str(tmp_path / "child.log"))
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    _expect_gone(int(told.stdout))


def test_two_threads_that_ask_at_the_same_time_ask_two_processes(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        asked = [
            pool.submit(run_in_child, _pid_after_a_second, timeout_s=60, log_path=tmp_path / str(i), kept="t")
            for i in range(2)
        ]
        assert len({each.result() for each in asked}) == 2


def _pid_after_a_second() -> int:
    time.sleep(1)
    return os.getpid()


def test_a_log_that_cannot_be_written_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DiskError):
        run_in_child(os.getpid, timeout_s=60, log_path=tmp_path / "file" / "logs" / "child.log")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_the_child_ends_with_its_parent(tmp_path: Path, ending: signal.Signals) -> None:
    log, pid_file = tmp_path / "child.log", tmp_path / "pid"
    script = KILLED.format(path=sys.path, log=str(log), shell=f"echo $PPID > {pid_file}; exec sleep 60")
    parent = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    child = int(_content(pid_file))
    parent.send_signal(ending)
    assert parent.wait(timeout=60) != 0
    _expect_gone(child)


def _content(path: Path) -> str:
    for _ in range(3000):
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.02)
    raise TimeoutError(f"{path} was never written")


def _expect_gone(pid: int) -> None:
    for _ in range(3000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # dead; whoever inherited it has not looked yet
            return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"process {pid} outlived its parent")
