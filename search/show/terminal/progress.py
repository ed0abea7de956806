"""Progress on stderr: of a run a line a trial, of many workers a live picture, or a line now and then in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress as bars
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar

from ....objectives.accuracy.metrics import METRICS
from ....objectives.measurement import Measurement
from ...run.progress import Progress
from ...study.record import TrialRecord
from ...table import Table, figures, words
from ...wording import accuracy, faster, ratio
from .console import is_watched, on_terminal, terminal

LINE_EVERY_S = 30.0


class TrialProgress:
    """A bar over a study's trials, and a line for each trial that ends."""

    def __init__(self, bar: bars.Progress, *, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("opening the study", total=total)

    def begin(self, number: int, what: str, *, finished: int) -> None:
        self._bar.update(self._task, completed=finished, description=f"trial {number}: {what[:40]}")

    def end(self, record: TrialRecord) -> None:
        self._bar.console.print(f"trial {record.number}: {_outcome(record)}", soft_wrap=True)


@contextmanager
def progress(*, total: int) -> Iterator[TrialProgress]:
    """Progress of a run on stderr, with the time left; the bar vanishes where stderr is no terminal."""
    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
    )
    console = terminal(stderr=True)
    with bars.Progress(*columns, console=console, transient=True, disable=not is_watched(console)) as bar:
        yield TrialProgress(bar, total=total)


@contextmanager
def fleet_display() -> Iterator[Callable[[Progress], None]]:
    """Shows a fleet's progress, on stderr; the picture vanishes at the end, the last line stays."""
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
    bar = ProgressBar(total=progress.wanted, completed=min(progress.finished, progress.wanted), width=40)
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


def _outcome(record: TrialRecord) -> str:
    """How a trial ended, in a line that fits a window; only why one failed may take more."""
    again = record.reused_from is not None
    parts = [record.baseline or "", f"as trial {record.reused_from}" if again else ""]
    if record.stopped is not None:
        found = record.stopped
        parts.append(f"{'' if again else 'stopped, '}beaten by trial {found.rival}")
        figures = f"{METRICS[found.metric].label} about {found.value.value:.3f}, {faster(found.latency_ratio)}"
    elif record.measurement is None:
        parts.append(record.outcome)
        figures = str(record.reason)
    else:
        figures = _figures(record.measurement, again=again)
    return ": ".join(filter(None, (", ".join(filter(None, parts)), figures)))


def _figures(found: Measurement, *, again: bool) -> str:
    """Fewer where an earlier line has shown them."""
    scored, gained = f"{found.accuracy.label} {accuracy(found.accuracy.value)}", faster(found.timing.ratio.value)
    if again:
        return f"{scored}, {gained}"
    return f"{scored}, {ratio(found.timing.ms)} ms, {gained}, {len(found.engine.int8_layers)} INT8"
