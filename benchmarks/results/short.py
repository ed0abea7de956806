"""What README shows of a kept study: one sentence, one table of at most 8 rows, one line on where it is from."""

from __future__ import annotations

from cells import baseline_of, change, device_of, images_of, model_of, speedup, unit_ms
from kept import Kept
from kept_peers import Scored, best_peers
from provenance import in_words
from qpareto.objectives.measurement import Measurement
from qpareto.search.results.figures import figures_of
from qpareto.search.results.points import Point
from qpareto.search.show.headline import headline
from qpareto.search.table import Table, markdown, words
from qpareto.search.wording import faster

SHORT = ("", "mAP50-95", "change, 95 %", "latency, ms", "speedup, 95 %")


def headline_sentence(kept: Kept) -> str:
    """The answer: model and device, how much faster at what change, and where the figures are from."""
    view, head = kept.view, headline(kept.view)
    subject = f"{model_of(view.name)} on {device_of(view)}"
    if head.best is None:
        return f"{subject}: {' '.join(head.sentences)}"
    found, figures = head.best.decisive, head.best.figures
    (part, low, high), (lost, least, most) = found.timing.ratio, found.accuracy.change
    where = figures.accuracy_from
    if figures.latency_from != where:
        where = f"its accuracy {where}, its latency {figures.latency_from}"
    return (
        f"**{subject}: {faster(part)} at {lost:+z.4f} mAP50-95, {where}** "
        f"(95 %: {1 / high:.2f}x to {1 / low:.2f}x, {least:+z.4f} to {most:+z.4f})."
    )


def short_table(kept: Kept) -> str:
    """By the figures that count: the reference, what one would do without a search, two points of the front.

    Of ModelOpt's two methods, and of NNCF's ways with a preset, the most accurate one stands for all. While the answer
    is not confirmed, all figures are the search's: accuracies of other images would stand between them.
    """
    view, best = kept.view, headline(kept.view).best
    searched = _is_of_the_search(best)
    rows = [(_title(point, best), _scored(point, searched=searched)) for point in _baselines(kept)]
    rows += [(peer.title, peer.searched if searched else peer.decisive) for peer in best_peers(kept.peers)]
    rows += [(_title(point, best), _scored(point, searched=searched)) for point in _front(kept, best)]
    return markdown(Table(words(*SHORT), [_row(title, scored, unit_ms(view)) for title, scored in rows]))


def made_line(kept: Kept) -> str:
    """On which images, how, when and with what these figures were measured."""
    view, best = kept.view, headline(kept.view).best
    first = view.results.points[0].measurement
    again = [p.confirmed for p in view.results.points if isinstance(p.confirmed, Measurement)]
    told = f"searched on {first.accuracy.images} images{images_of(view.name)}"
    if again and _is_of_the_search(best):
        told += ", and these figures are of those: they are not confirmed yet"
    elif again:
        processes = f", timed in {again[0].timing.timings} processes" if again[0].timing.timings > 1 else ""
        scored = again[0].accuracy
        is_other = scored.dataset_hash != first.accuracy.dataset_hash
        where = f"{scored.images} other images" if is_other else "the same images"
        told += f", figures confirmed on {where}{processes}{_of_the_search(kept, best)}"
    versions = ", ".join(f"{name} {number}" for name, number in first.provenance.versions.items())
    day = f"{in_words(kept.provenance.until)}; " if kept.provenance.until else ""
    star = " A star marks a doubtful timing." if "*" in short_table(kept).replace("**", "") else ""
    return f"{told[0].upper()}{told[1:]}. {day}{versions}.{star}"


def _is_of_the_search(best: Point | None) -> bool:
    """Whether the answer was found by the search, and not confirmed since."""
    return best is not None and best.baseline is None and best.again is None


def _scored(point: Point, *, searched: bool) -> Scored:
    if not searched:
        return Scored.of(point.decisive)
    return Scored.of(figures_of(point.measurement, fresh=point.fresh, spread=point.spread).measurement)


def _of_the_search(kept: Kept, best: Point | None) -> str:
    """Which of the shown engines were not confirmed."""
    points = [*_baselines(kept), *_front(kept, best)]
    names = [_title(p, None) for p in points if not isinstance(p.confirmed, Measurement)]
    names += [peer.title for peer in best_peers(kept.peers) if peer.confirmed is None]
    if not names:
        return ""
    return f" (but not those of {', '.join(names)}, which are the search's): compare changes, not mAP50-95"


def _baselines(kept: Kept) -> list[Point]:
    found = {str(point.baseline): point for point in kept.view.results.baselines}
    methods = [found.pop(name) for name in list(found) if name.startswith("modelopt-")]
    best = max(methods, key=lambda point: point.decisive.accuracy.change.value, default=None)
    first = [found.pop("float")] if "float" in found else []
    return [*first, *([best] if best else []), *found.values()]


def _front(kept: Kept, best: Point | None) -> list[Point]:
    """The answer, where it is a point of the search, and the most accurate other one."""
    searched = [point for point in kept.view.feasible_front if point.baseline is None]
    others = [point for point in searched if point != best]
    other = max(others, key=lambda point: point.decisive.accuracy.change.value, default=None)
    chosen = [point for point in (best, other) if point is not None and point.baseline is None]
    return sorted(chosen, key=lambda point: point.decisive.timing.ratio.value)


def _title(point: Point, best: Point | None) -> str:
    shown = baseline_of(point) if point.baseline else f"qpareto, trial {point.trial}"
    return f"**{shown}: the answer**" if point == best else shown


def _row(title: str, found: Scored, reference_ms: float) -> tuple[str, ...]:
    ms = f"{found.ratio.value * reference_ms:.2f}"
    return (title, f"{found.map50_95:.4f}", change(found), ms, speedup(found))
