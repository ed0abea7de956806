"""What the end of a run, and `qpareto front`, show: the answer, the front, what must be known, what to type next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from ...errors import CandidateError
from ...objectives.measurement import Measurement
from ..results import Point, Results, doubts_of
from .headline import headline, next_commands
from .points_table import confirmed_table, deciding, points_table
from .scatter import plot_of_results
from .terminal import is_watched, terminal
from .view import StudyView

WIDE = 200  # columns in which no row of all figures is folded: a narrower window wraps them itself


def show_study(view: StudyView, study: Sequence[str], *, trials: int, wide: bool = False) -> None:
    """The answer in two sentences, the front in six columns, what must be known of it, and what to type next.

    Args:
        study: how commands name the study: its file, and options such as `--set`.
        trials: finished trials that it is to have.
        wide: all figures instead, before and after they were measured once more, and in a terminal a plot.
    """
    console, results, head = terminal(), view.results, headline(view)
    width, for_a_pipe = console.width, not is_watched(console)  # in a pipe a sentence is a line
    for sentence in head.sentences:
        console.print(sentence, style="bold", soft_wrap=for_a_pipe)
    console.print()
    if wide:
        console.width = max(width, WIDE)
    best = head.best.point if head.best else None
    _show_wide(console, results, width) if wide else _show_narrow(console, results, best)
    console.width = width
    remarks = [*results.remarks(doubts=False), *_doubts(results, wide=wide), _counts(results)]
    for remark in remarks:
        if remark not in head.sentences:
            console.print(remark, soft_wrap=for_a_pipe)
    if commands := next_commands(view, head, study, trials=trials):
        console.print("\nNext:")
        for command in commands:
            console.print(f"  {command}", soft_wrap=True)  # to be copied


def _show_narrow(console: Console, results: Results, best: Point | None) -> None:
    """The front by the figures that decide, then the recipes off it."""
    front = sorted(results.front, key=lambda point: deciding(point).latency_ms)
    console.print(points_table(_title(results), front, shown=deciding, bold=best))
    for note in _notes(results):
        console.print(note)
    if off := _off_front(results):
        console.print(points_table(f"Recipes off the front{_images(results)}", off, shown=_searched, bold=best))


def _show_wide(console: Console, results: Results, width: int) -> None:
    """All figures of the search, then what became of them.

    Args:
        width: columns of the window, for the plot.
    """
    console.print(points_table("Front", results.front, shown=_searched, ties=results.ties, wide=True))
    if any(point.confirmed is not None for point in results.front):
        console.print(confirmed_table(results))
    if off := _off_front(results):
        console.print(points_table("Recipes off the front", off, shown=_searched, wide=True))
    if is_watched(console) and (plot := plot_of_results(results, width=width)):
        console.print(plot, no_wrap=True)


def _title(results: Results) -> str:
    images = {p.confirmed.images for p in results.front if isinstance(p.confirmed, Measurement)}
    return f"Front, measured once more on {' or '.join(map(str, sorted(images)))} images" if images else "Front"


def _images(results: Results) -> str:
    """Where the recipes' figures are from, if the front's are not from there."""
    if not any(isinstance(point.confirmed, Measurement) for point in results.front):
        return ""
    return f", in the search on {results.front[0].measurement.images} images"


def _notes(results: Results) -> Iterator[str]:
    """Which of the front's points are not what the title says."""
    again = [point for point in results.front if point.confirmed is not None]
    if not again:
        return
    upheld = results.upheld()
    told = {
        "Beaten when measured once more": [p for p in again if p.trial not in upheld and deciding(p) is p.confirmed],
        "Could not be measured once more": [p for p in again if isinstance(p.confirmed, CandidateError)],
        "Not measured once more yet": [p for p in results.front if p.confirmed is None],
    }
    for what, points in told.items():
        if points:
            yield f"{what}: trial {', '.join(str(point.trial) for point in points)}."


def _doubts(results: Results, *, wide: bool) -> list[str]:
    """Of the timings that are shown; with `wide` the front's of the search too."""
    off = {point.trial: point.measurement for point in _off_front(results)}
    found = doubts_of({point.trial: deciding(point) for point in results.front} | off)
    if wide:
        found += doubts_of({point.trial: point.measurement for point in results.front})
    return list(dict.fromkeys(found))


def _counts(results: Results) -> str:
    counts = {state: sum(r.state == state for r in results.records) for state in ("complete", "pruned", "failed")}
    return (
        f"{counts['complete']} trials complete, {counts['pruned']} stopped early, {counts['failed']} failed; "
        f"hypervolume {results.hypervolume():.4f}."
    )


def _off_front(results: Results) -> list[Point]:
    return [point for point in results.baselines if point not in results.front]


def _searched(point: Point) -> Measurement:
    return point.measurement
