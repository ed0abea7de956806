"""A running study of many workers: a live picture on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar

from ..run.progress import Progress
from ..table import Table, figures, words
from .terminal import is_watched, on_terminal, terminal

LINE_EVERY_S = 30.0
BAR_WIDTH = 40


@contextmanager
def fleet_display() -> Iterator[Callable[[Progress], None]]:
    """What to tell of a fleet's progress, on stderr; the picture vanishes at the end, the last line stays."""
    console = terminal(stderr=True)
    if not is_watched(console):
        yield _Lines(console)
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield lambda progress: live.update(picture(progress), refresh=True)


def picture(progress: Progress) -> RenderableType:
    """A bar, the line below it, and who is at work."""
    columns = [*words("worker", fold=False), *figures("trial", "for", "last sign of life")]
    rows = [
        (sign.worker, str(sign.trial), _duration(sign.running_s), f"{_duration(sign.silent_s)} ago")
        for sign in progress.workers
    ]
    bar = ProgressBar(total=progress.wanted, completed=min(progress.finished, progress.wanted), width=BAR_WIDTH)
    return Group(bar, line(progress), *([on_terminal(Table(columns, rows))] if rows else []))


def line(progress: Progress) -> str:
    """Where a study stands, in one line."""
    told = f"{progress.finished} of {progress.wanted} trials finished, {progress.running} running, "
    told += f"{progress.failed} failed; hypervolume {progress.hypervolume:.4f}"
    return told if not progress.left_s else f"{told}; about {_duration(progress.left_s)} left"


class _Lines:
    """A line when something has changed, and not too often; always when the study has its trials."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = ""
        self._next_s = 0.0

    def __call__(self, progress: Progress) -> None:
        told, ends = line(progress), progress.finished >= progress.wanted and not progress.running
        now_s = time.monotonic()
        if told == self._told or (now_s < self._next_s and not ends):
            return
        self._console.print(told, soft_wrap=True)
        self._told, self._next_s = told, now_s + LINE_EVERY_S


def _duration(seconds: float) -> str:
    """Such as `8 s`, `12 min`, `3.5 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
