"""What the end of a run, and `qpareto front`, show: the answer, the front, what must be known, what to type next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from ...objectives.measurement import Measurement
from ..doubts import doubts_of
from ..points import Point
from ..results import Results
from .headline import headline, next_commands
from .points_table import confirmed_table, points_table
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
    _show_wide(console, results, width) if wide else _show_narrow(console, results, head.best)
    console.width = width
    remarks = [*results.remarks(doubts=False), *_doubts(results), _counts(results)]
    for remark in remarks:
        if remark not in head.sentences:
            console.print(remark, soft_wrap=for_a_pipe)
    if commands := next_commands(view, head, study, trials=trials):
        console.print("\nNext:")
        for command in commands:
            console.print(f"  {command}", soft_wrap=True)  # to be copied


def _show_narrow(console: Console, results: Results, best: Point | None) -> None:
    """The front, then the recipes off it."""
    console.print(points_table(f"Front{_images(results)}", results.front, bold=best))
    for note in _notes(results):
        console.print(note)
    if off := _off_front(results):
        console.print(points_table("Baselines off the front", off, bold=best))


def _show_wide(console: Console, results: Results, width: int) -> None:
    """All figures, and what became of those of the search.

    Args:
        width: columns of the window, for the plot.
    """
    console.print(points_table(f"Front{_images(results)}", results.front, ties=results.ties, wide=True))
    if any(point.confirmed is not None for point in results.points):
        console.print(confirmed_table(results))
    if off := _off_front(results):
        console.print(points_table("Baselines off the front", off, wide=True))
    if is_watched(console) and (plot := plot_of_results(results, width=width)):
        console.print(plot, no_wrap=True)


def _images(results: Results) -> str:
    """On which images the front was confirmed, if it was."""
    found = {p.confirmed.images for p in results.front if isinstance(p.confirmed, Measurement)}
    return f", confirmed on {' or '.join(map(str, sorted(found)))} images" if found else ""


def _notes(results: Results) -> Iterator[str]:
    """What the title does not say of some points."""
    if not any(point.confirmed is not None for point in results.points):
        return
    told = {
        "Not confirmed yet": [point for point in results.front if point.confirmed is None],
        "Could not be built or measured once more": [point for point in results.points if point.refuted is not None],
    }
    for what, points in told.items():
        if points:
            yield f"{what}: trial {', '.join(str(point.trial) for point in points)}."


def _doubts(results: Results) -> list[str]:
    """Of the timings that are shown."""
    return doubts_of({point.trial: point.decisive for point in (*results.front, *_off_front(results))})


def _counts(results: Results) -> str:
    counts = {state: sum(r.state == state for r in results.records) for state in ("complete", "pruned", "failed")}
    return (
        f"{counts['complete']} trials complete, {counts['pruned']} stopped early, {counts['failed']} failed; "
        f"hypervolume {results.hypervolume():.4f}."
    )


def _off_front(results: Results) -> list[Point]:
    return [point for point in results.baselines if point not in results.front]
