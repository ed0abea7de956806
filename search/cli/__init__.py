"""The command line, a file a family of commands: each parses, prints, and is one call of a function of `api`."""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import Annotated

import typer

from ... import __version__
from ...errors import QParetoError
from . import candidate, draft, fleet, machine, seeing, shipping, storage, study
from .family import example, say

app = typer.Typer(
    name="qpareto",
    epilog=example("qpareto run studies/quickstart/quickstart.yaml"),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for family in (draft, study, seeing, shipping, fleet, storage, candidate, machine):
    app.add_typer(family.commands)


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"qpareto {__version__}")
        raise typer.Exit


@app.callback()
def before_any_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Search for the best ways to quantize a detector for the machine it will run on."""


class Talk(logging.Handler):
    """What the package logs, a line each on stderr, as it is at that moment: a progress bar puts itself there."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def main() -> None:
    """The `qpareto` command: a user's mistake is one line and exit code 1; a bug keeps its traceback."""
    gc.set_threshold(700, 10, 1000)  # full collections would take half of the time to read a study of 10,000 trials
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what it says of corrupt images, we say
    log = logging.getLogger(__package__.partition(".")[0])
    log.setLevel(logging.INFO)
    log.handlers, log.propagate = [Talk()], False  # libraries give the root logger handlers of their own
    try:
        app(prog_name="qpareto")
    except QParetoError as error:
        say(str(error))
        sys.exit(1)
