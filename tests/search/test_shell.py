"""The command in a shell: its version, completion, colours, and progress that no log keeps."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import qpareto
from command_line import IN_A_PROCESS
from command_line import qpareto as run

PROGRAM = Path(sys.executable).with_name("qpareto")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
A_BAR = """
from qpareto.search.show.terminal.progress import progress
with progress(total=7) as listener:
    listener.begin(3, "a mask", finished=2)
    listener._bar.refresh()
    listener._bar.console.print("trial 3: done")
"""
A_FLEET = """
from qpareto.search.api import Progress
from qpareto.search.show.terminal.progress import fleet_display
from qpareto.search.study.outcome import Outcome
with fleet_display() as watch:
    watch(Progress(wanted=7, outcomes={Outcome.COMPLETE: 2}, hypervolume=0.5, workers=(), left_s=None))
"""


def environment(**changes: str) -> dict[str, str]:
    """As it is, without what decides on colours, but for the changes."""
    usual = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return usual | {"TERM": "xterm-256color"} | changes


def on_a_terminal(*command: str | Path, **changes: str) -> str:
    """What a command writes when both its stdout and its stderr are a terminal."""
    ours, its = pty.openpty()
    process = subprocess.Popen(list(map(str, command)), stdout=its, stderr=its, stdin=its, env=environment(**changes))
    os.close(its)
    written = b""
    try:
        while chunk := os.read(ours, 1 << 16):
            written += chunk
    except OSError:  # how Linux tells that nobody holds the other end any more
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0, written
    return written.decode()


def in_a_log(*command: str | Path, **changes: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment(**changes))
    return done.stdout + done.stderr


def test_the_version_is_the_packages() -> None:
    assert run("--version").out == f"qpareto {qpareto.__version__}\n"


def test_completion_installs_itself_and_completes_commands_and_options(tmp_path: Path) -> None:
    home = environment(HOME=str(tmp_path), PATH=f"{PROGRAM.parent}:{os.environ['PATH']}")
    install = "qpareto --install-completion; exit $?"  # bash runs a last command in its own place, and would be gone
    subprocess.run(["bash", "-c", install], check=True, env=home, capture_output=True)
    ask = "source ~/.bashrc; COMP_WORDS=({}); COMP_CWORD={}; _qpareto_completion qpareto; echo ${{COMPREPLY[*]}}"
    for words, last, found in (("qpareto fro", 1, "front"), ("qpareto export --kn", 2, "--knee")):
        done = subprocess.run(
            ["bash", "-c", ask.format(words, last)], check=True, env=home, capture_output=True, text=True
        )
        assert done.stdout.split() == [found]


def test_a_bar_is_drawn_on_a_terminal_and_wiped_out_at_the_end() -> None:
    drawn = on_a_terminal(sys.executable, "-c", A_BAR)
    assert "trial 3: a mask" in drawn
    assert "2/7" in drawn
    assert "trial 3: done" in drawn
    assert drawn.rstrip("\r\n").endswith("\x1b[2K"), "the bar's line is wiped out"


@pytest.mark.parametrize("changes", [{}, {"FORCE_COLOR": "1"}], ids=["as it is", "FORCE_COLOR"])
def test_no_bar_and_no_picture_of_a_fleet_gets_into_a_log(changes: dict[str, str]) -> None:
    assert in_a_log(sys.executable, "-c", A_BAR, **changes) == "trial 3: done\n"
    found = in_a_log(sys.executable, "-c", A_FLEET, **changes)
    assert found == "2 of 7 trials finished, 0 running, 0 failed; hypervolume 0.5000\n"


def test_colours_are_for_terminals_whose_user_has_not_asked_for_none() -> None:
    assert COLOUR.search(on_a_terminal(sys.executable, "-c", A_BAR))
    assert not COLOUR.search(on_a_terminal(sys.executable, "-c", A_BAR, NO_COLOR="1"))
    assert not COLOUR.search(on_a_terminal(sys.executable, "-c", A_BAR, TERM="dumb"))


@pytest.mark.parametrize("words", [("doctor",), ("run", "--help"), ("run",)], ids=" ".join)
def test_what_is_no_terminal_gets_plain_text(words: tuple[str, ...]) -> None:
    done = subprocess.run([*IN_A_PROCESS, *words], check=False, capture_output=True, text=True, env=environment())
    assert done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
