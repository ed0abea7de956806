"""What the end of a run, and `qpareto front`, show: the answer, the front, what must be known, what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from rich.console import Console

from ...results.doubts import doubts_of
from ...results.points import Point
from ...results.study_results import Results
from ...study.outcome import Outcome
from ..headline import headline, next_commands
from ..tables import NARROW, WIDE, confirmed_table, mixed_images, points_table
from ..view import StudyView
from .console import is_watched, on_terminal, say, terminal
from .scatter import plot_of_results


def show_study(view: StudyView, study: Sequence[str], *, trials: int, wide: bool = False) -> None:
    """The answer in two sentences, the front in six columns, what must be known of it, and what to type next.

    Args:
        study: how commands name the study: its file, and options such as `--set`.
        trials: finished trials that it is to have.
        wide: all figures instead, before and after they were measured once more, and in a terminal a plot.
    """
    console, results, head = terminal(), view.results, headline(view)
    width = console.width
    for sentence in head.sentences:
        say(console, sentence, style="bold")
    if head.ahead:
        say(console, head.ahead)
    console.print()
    if wide:
        console.width = max(width, 200)  # no row of all figures is folded then: a narrower window wraps them itself
    off = _off_front(results, head.best)
    _show_wide(console, results, off, width) if wide else _show_narrow(console, results, off, head.best)
    console.width = width
    shown = [*results.front, *chain(*off.values())]
    for remark in (mixed_images(shown), *results.remarks(doubts=False), *_doubts(shown), _counts(results)):
        if remark and remark not in head.sentences:
            say(console, remark)
    if commands := next_commands(view, head, study, trials=trials):
        console.print("\nNext:")
        for command in commands:
            console.print(f"  {command}", soft_wrap=True)  # to be copied


def _show_narrow(console: Console, results: Results, off: Mapping[str, list[Point]], best: Point | None) -> None:
    """The front, then what is shown though it is off it."""
    _print_points(console, _front_title(results), results.front, best)
    for note in _notes(results):
        console.print(note)
    for title, points in off.items():
        _print_points(console, title, points, best)


def _print_points(console: Console, title: str, points: Sequence[Point], best: Point | None) -> None:
    row = next((i for i, point in enumerate(points) if point == best), None)
    console.print(on_terminal(points_table(points, NARROW), title=title, edge=False, bold=row))


def _show_wide(console: Console, results: Results, off: Mapping[str, list[Point]], width: int) -> None:
    """All figures, and what became of those of the search.

    Args:
        off: as `_off_front` has them.
        width: columns of the window, for the plot.
    """
    tables = {_front_title(results): points_table(results.front, WIDE, ties=results.ties)}
    if any(point.confirmed is not None for point in results.points):
        again = _images(results.points)
        tables[f"Measured once more,{again}" if again else "Measured once more"] = confirmed_table(results)
    tables |= {title: points_table(points, WIDE) for title, points in off.items()}
    for title, table in tables.items():
        console.print(on_terminal(table, title=title, edge=False))
    if is_watched(console) and (plot := plot_of_results(results, width=width)):
        console.print(plot, no_wrap=True)


def _images(points: Sequence[Point]) -> str:
    """On how many images they were confirmed: ` on 250 images`; empty if none was."""
    found = {p.again.accuracy.images for p in points if p.again}
    return f" on {' or '.join(map(str, sorted(found)))} images" if found else ""


def _front_title(results: Results) -> str:
    images = _images(results.front)
    return f"Front, confirmed{images}" if images else "Front"


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


def _doubts(shown: Sequence[Point]) -> list[str]:
    """Of the timings that are shown."""
    return doubts_of({point.trial: point.decisive for point in shown})


def _counts(results: Results) -> str:
    counts = Counter(record.outcome for record in results.records)
    failed = sum(record.outcome.has_failed for record in results.records)
    return (
        f"{counts[Outcome.COMPLETE]} trials complete, {counts[Outcome.PRUNED]} stopped early, {failed} failed; "
        f"hypervolume {results.hypervolume():.4f}."
    )


def _off_front(results: Results, best: Point | None) -> dict[str, list[Point]]:
    """The tables behind the front, by title: baselines, and the answer where neither shows it.

    Nothing surely beats the answer, but one that is less sure, or not confirmed, may be ahead of it: `Headline.ahead`.
    """
    answer = [best] if best and best not in (*results.front, *results.baselines) else []
    off = [point for point in results.baselines if point not in results.front]
    tables = {"The answer, off the front": answer, "Baselines off the front": off}
    return {title: points for title, points in tables.items() if points}
