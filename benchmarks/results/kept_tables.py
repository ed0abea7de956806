"""The tables about a kept study, as Markdown: front, hypervolume, what really ran, what it took.

python benchmarks/results/kept_tables.py recorded/NAME.json ...
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cells import change, ratio, unit_ms
from kept import Kept
from kept_peers import Peer, Scored
from provenance import in_words
from qpareto.objectives.measurement import Measurement
from qpareto.search.results.figures import figures_of
from qpareto.search.results.points import Point
from qpareto.search.show.headline import headline
from qpareto.search.show.view import StudyView
from qpareto.search.table import Table, markdown, words

LOOKS = (5, 10, 20, 30, 40, 60, 100)  # numbers of trials that the hypervolume is told after
FRONT = ("", "trial", "mAP50-95", "change, 95 %", "latency, ms", "ratio, 95 %", "INT8", "calibration")
CONFIRMED = ("confirmed: change, 95 %", "confirmed: ratio, 95 %")
RAN = ("", "trial", "INT8 layers", "of them ran in INT8", "reformats", "their share of the time", "energy, mJ")


def tables(view: StudyView, peers: Sequence[Peer] = ()) -> str:
    """All of them, one after another."""
    parts = [
        head(view),
        front_table(view, peers),
        *view.results.remarks(),
        growth_table(view),
        ran_table(view),
        costs(view),
    ]
    return "\n\n".join(part for part in parts if part)


def head(view: StudyView) -> str:
    """What was searched where, with which versions, when."""
    found = [point.measurement for point in view.results.points]
    if not found:
        return f"{view.name}: nothing was measured."
    first, ended = found[0], max(view.ended.values())
    versions = ", ".join(f"{name} {number}" for name, number in first.provenance.versions.items())
    again = {p.confirmed.accuracy.images for p in view.results.points if isinstance(p.confirmed, Measurement)}
    others = f", confirmed on {max(again)} others" if again else ""
    states = Counter(record.outcome for record in view.results.records)
    told = ", ".join(f"{count} {state}" for state, count in states.most_common())
    engine, device, images = first.engine, first.provenance.device, first.accuracy.images
    return (
        f"`{view.name}`: {told} trials on {device}, {engine.kind}{_threads(first)}, batch {engine.batch}, "
        f"{images} images{others}; reference {engine.float_type}, {unit_ms(view):.3f} ms{_clocks(found)}; "
        f"{versions}; {in_words(ended.astimezone(UTC).date())}."
    )


def front_table(view: StudyView, peers: Sequence[Peer] = ()) -> str:
    """Baselines, peers and front with their intervals, and beside them what they scored when measured once more."""
    results, front = view.results, view.feasible_front
    rows = [_row(p, f"{p.baseline}{', on the front' if p in front else ''}") for p in results.baselines]
    rows += [_peer_row(peer, unit_ms(view)) for peer in peers]
    best = headline(view).best
    rows += [_row(p, "**front, the answer**" if p == best else "front") for p in front if not p.baseline]
    beaten = [p for p in results.beside_front() if not p.baseline]
    rows += [_row(p, "**the answer**, off the front" if p == best else "beaten when confirmed") for p in beaten]
    told = any(point.confirmed is not None for point in (*front, *results.baselines))
    columns = FRONT + (CONFIRMED if told else ())
    return markdown(Table(words(*columns), [row[: len(columns)] for row in rows]))


def growth_table(view: StudyView) -> str:
    """Hypervolume after so many finished trials, those that were stopped or failed included."""
    results = view.results
    ended = sorted((r for r in results.records if r.outcome.counts), key=lambda record: view.ended[record.number])
    place = {record.number: i for i, record in enumerate(ended, start=1)}
    points = sorted((p for p in results.points if p.trial in place), key=lambda point: place[point.trial])
    grown = list(zip((place[p.trial] for p in points), results.hypervolumes(points), strict=True))
    looks = sorted({look for look in LOOKS if look < len(ended)} | {len(ended)})
    values = [max((value for after, value in grown if after <= look), default=0.0) for look in looks]
    row = ("hypervolume", *(f"{value:.4f}" for value in values))
    return markdown(Table(words("trials", *map(str, looks)), [row]))


def ran_table(view: StudyView) -> str:
    """What the engines of the front, and the answer's, really run in INT8, and what stands between precisions."""
    front, best = view.feasible_front, headline(view).best
    rows, off = [], [best] if best and best not in front else []
    for point in (*front, *off):
        found = point.measurement
        share = _reformat_share(point)
        energy = "-" if found.timing.energy_mj is None else f"{found.timing.energy_mj:.0f}"
        ran = "-" if found.engine.int8_ran is None else str(found.engine.int8_ran)
        reformats = "-" if found.engine.reformats is None else str(found.engine.reformats)
        name = point.baseline or ("the answer" if point in off else "front")
        rows.append((name, str(point.trial), str(len(found.engine.int8_layers)), ran, reformats, share, energy))
    return markdown(Table(words(*RAN), rows)) if rows else ""


def _reformat_share(point: Point) -> str:
    """As the point's layers were timed, or else those of the same candidate when it was confirmed."""
    told = [m.engine.reformat_share for m in (point.measurement, point.confirmed) if isinstance(m, Measurement)]
    return next((f"{share:.1%}" for share in told if share is not None), "-")


def costs(view: StudyView) -> str:
    """Trials an hour, doubtful timings, and seconds by step where trials tell them."""
    work = Work.of(view)
    counted = sum(record.outcome.counts for record in view.results.records)
    found = [point.measurement for point in view.results.points]
    flags = Counter(flag for measurement in found for flag in measurement.timing.flags)
    doubts = ", ".join(
        f"{flag} {flags[flag]}" for flag in ("foreign_process", "throttled", *sorted(flags)) if flags[flag]
    )
    lines = [
        f"{counted} trials in {work.hours:.2f} h of work by {work.workers} process{'es' * (work.workers > 1)}, "
        f"at most {work.at_once} at once: {counted / work.hours:.1f} an hour."
        if work.hours
        else "",
        f"Of {len(found)} timings flagged: {doubts or 'none'}.",
        *_failures(view),
    ]
    steps = list(dict.fromkeys(step for measurement in found for step in measurement.provenance.seconds))
    taken = {
        step: [each.provenance.seconds[step] for each in found if step in each.provenance.seconds] for step in steps
    }
    rows = [(step, str(len(all_)), *(f"{part:.1f}" for part in _spread(all_))) for step, all_ in taken.items()]
    columns = words("step", "count", "median, s", "lowest, s", "highest, s")
    table = markdown(Table(columns, rows)) if rows else ""
    return "\n\n".join(part for part in ("\n".join(line for line in lines if line), table) if part)


@dataclass(frozen=True, kw_only=True)
class Work:
    """When trials ran: hours in which one did at least, how many processes ran them, how many ran at once."""

    hours: float
    workers: int
    at_once: int

    @classmethod
    def of(cls, view: StudyView) -> Work:
        """Of all trials, those that do not count included."""
        spans = [(t.datetime_start, t.datetime_complete) for t in view.trials if t.datetime_start]
        whole = [(begun, ended or begun) for begun, ended in spans]
        workers = len({trial.user_attrs.get("kept_worker") for trial in view.trials})
        return cls(hours=_covered_s(whole) / 3600, workers=workers, at_once=_at_once(whole))


def _covered_s(spans: Iterable[tuple[datetime, datetime]]) -> float:
    total, until = 0.0, None
    for begun, ended in sorted(spans):
        start = begun if until is None or begun > until else until
        total += max((ended - start).total_seconds(), 0.0)
        until = ended if until is None else max(until, ended)
    return total


def _at_once(spans: Iterable[tuple[datetime, datetime]]) -> int:
    steps = sorted((when, step) for begun, ended in spans for when, step in ((begun, 1), (ended, -1)))
    return int(max(np.cumsum([step for _, step in steps]), default=0))


def _failures(view: StudyView) -> list[str]:
    reasons = Counter(r.reason or "-" for r in view.results.records if r.outcome.has_failed)
    return [f"Failed {count} times: {reason}" for reason, count in reasons.most_common()]


def _row(point: Point, name: str) -> tuple[str, ...]:
    m, again = point.measurement, point.confirmed
    told: tuple[str, ...] = ("-", "-")
    if isinstance(again, Measurement):
        found = figures_of(m, confirmed=again, spread=point.spread).measurement
        told = change(Scored.of(found)), ratio(Scored.of(found))
    elif again is not None:
        told = str(again), "-"
    scored = Scored.of(m)
    row = (name, str(point.trial), f"{scored.map50_95:.4f}", change(scored), f"{m.timing.ms:.3f}", ratio(scored))
    return (*row, str(len(m.engine.int8_layers)), m.engine.calibration or "-", *told)


def _peer_row(peer: Peer, reference_ms: float) -> tuple[str, ...]:
    m, again = peer.searched, peer.confirmed
    told = (change(again), ratio(again)) if again else ("-", "-")
    row = (
        peer.title,
        "-",
        f"{m.map50_95:.4f}",
        change(m),
        f"{m.ratio.value * reference_ms:.3f}",
        ratio(m),
    )
    return (*row, str(peer.int8_layers), f"{peer.calibration_images} images", *told)


def _threads(m: Measurement) -> str:
    return f", {m.engine.threads} threads" if m.engine.kind == "openvino" else ""


def _clocks(found: Sequence[Measurement]) -> str:
    clocks = [float(m.timing.readings["sm_clock_mhz"]) for m in found if "sm_clock_mhz" in m.timing.readings]
    if not clocks:
        return ""
    middle, low, high = _spread(clocks)
    return f", clock {middle:.0f} MHz" + ("" if low == high else f" ({low:.0f} to {high:.0f})")


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    of: Callable[[Sequence[float]], np.floating] = np.median
    return float(of(values)), min(values), max(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    for path in parser.parse_args().files:
        kept = Kept.opened(path)
        print(tables(kept.view, kept.peers), end="\n\n")


if __name__ == "__main__":
    main()
