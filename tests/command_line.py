"""The command line as a user meets it, run in this process: exit code, stdout and stderr."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from qpareto.search.cli import main

IN_A_PROCESS = (sys.executable, "-c", "from qpareto.search.cli import main; main()")  # where one of its own is needed


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line on stderr of a user's mistake."""
        assert self.code == 1, self
        assert self.err.startswith("qpareto: "), self
        assert self.err.count("\n") == 1, self
        assert self.out == "", self
        return self.err.removeprefix("qpareto: ").rstrip("\n")


def qpareto(*arguments: str | Path) -> Outcome:
    """Run a command; a bug's exception comes through as it is."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["qpareto", *map(str, arguments)]),
        patch.object(logging.getLogger("qpareto"), "propagate", True),  # what main sets ends with it
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code: object = 0
        except SystemExit as stop:
            code = stop.code or 0
    assert isinstance(code, int)
    return Outcome(code, out.getvalue(), err.getvalue())


def printed(script: Callable[[], None], *arguments: str | Path) -> str:
    """What the `main` of a benchmark's script prints."""
    out = io.StringIO()
    argv = [f"{script.__module__}.py", *map(str, arguments)]
    with patch.object(sys, "argv", argv), contextlib.redirect_stdout(out):
        script()
    return out.getvalue()


def refusal(study_file: Path, *overrides: str) -> str:
    """The sentence with which a run is refused."""
    return qpareto("run", study_file, *(word for override in overrides for word in ("--set", override))).sentence
