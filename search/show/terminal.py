"""Tables on stdout, talk and progress on stderr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ...objectives.measurement import Measurement
from ..results import Point, Results
from ..study import TrialRecord

PIPE_WIDTH = 160  # columns where nobody's window is known


class TrialProgress:
    """A bar over a study's trials, and a line for each trial that ends."""

    def __init__(self, bar: Progress, *, total: int) -> None:
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
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = _console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield TrialProgress(bar, total=total)


def show_results(results: Results) -> None:
    """The front, the baselines beside it, the hypervolume, and what a reader must know of them."""
    console = _console()
    counts = {state: sum(r.state == state for r in results.records) for state in ("complete", "failed")}
    console.print(_points_table("Front", results.front))
    off_front = [point for point in results.baselines if point not in results.front]
    if off_front:
        console.print(_points_table("Baselines beside it", off_front))
    console.print(
        f"{counts['complete']} trials complete, {counts['failed']} failed; hypervolume {results.hypervolume():.4f} "
        "(share of the box from half the reference's mAP50-95 at its latency).",
        soft_wrap=True,
    )
    for remark in results.remarks():
        console.print(remark, soft_wrap=True)


def show_measurement(measurement: Measurement) -> None:
    """One measurement as a table of two columns."""
    table = Table(box=box.SIMPLE, show_header=False)
    low, high = measurement.map50_95_change_ci
    ratio_low, ratio_high = measurement.latency_ratio_ci
    rows = {
        "mAP50-95": f"{measurement.map50_95:.4f} ({measurement.map50_95_change:+.4f}, 95 % {low:+.4f} to {high:+.4f})",
        "mAP50": f"{measurement.map50:.4f}",
        "AP small / medium / large": " / ".join(
            _share(value) for value in (measurement.ap_small, measurement.ap_medium, measurement.ap_large)
        ),
        "latency": f"{measurement.latency_ms:.3f} ms (p95 {measurement.latency_p95_ms:.3f} ms{_cold(measurement)})",
        "ratio to the reference": f"{measurement.latency_ratio:.4f} (95 % {ratio_low:.4f} to {ratio_high:.4f}, "
        f"{measurement.pairs} pairs)",
        "timing disturbed by": ", ".join(measurement.flags) or "nothing",
        "engine": f"{measurement.engine_bytes / 2**20:.2f} MiB, {measurement.engine} {measurement.float_type}, "
        f"batch {measurement.batch}, {measurement.threads} threads",
        "INT8 layers": f"{len(measurement.int8_layers)}, calibration {measurement.calibration or 'none'}",
        "what really ran": _what_ran(measurement),
        "energy of a run": "-" if measurement.energy_mj is None else f"{measurement.energy_mj:.1f} mJ",
        "device while timing": ", ".join(f"{name} {value}" for name, value in measurement.readings.items()) or "-",
        "mask": measurement.mask,
        "device": measurement.device,
        "images": str(measurement.images),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    _console().print(table)


def _cold(found: Measurement) -> str:
    return "" if found.latency_cold_ms is None else f", first run {found.latency_cold_ms:.3f} ms"


def _what_ran(found: Measurement) -> str:
    if found.int8_ran is None:
        return "-"
    return f"{found.int8_ran} of {len(found.int8_layers)} in INT8, {found.reformats} reformats"


def show_build(built: Mapping[str, Any]) -> None:
    """What `measure --build-only` made."""
    versions = ", ".join(f"{name} {version}" for name, version in built["versions"].items())
    print(
        f"{built['engine']} {built['float_type']} engine, {built['engine_bytes'] / 2**20:.2f} MiB, "
        f"{len(built['int8_layers'])} INT8 layers (mask {built['mask']}), built in {built['seconds']:.1f} s; {versions}"
    )


def show_layers(rows: Sequence[Mapping[str, Any]]) -> None:
    """A model's layers in graph order."""
    table = Table(box=box.SIMPLE_HEAD)
    for name, justify in (("layer", "left"), ("op", "left"), ("block", "left"), ("MMACs", "right"), ("INT8", "left")):
        table.add_column(name, justify="right" if justify == "right" else "left", overflow="fold")
    for row in rows:
        can = "yes" if row["quantizable"] else "ModelOpt refuses"
        table.add_row(row["name"], row["op"], row["block"], f"{row['macs'] / 1e6:.2f}", can)
    _console().print(table)


def show_doctor(found: Mapping[str, Mapping[str, Any]]) -> None:
    """What each kind of engine can do here."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("engine", "builds", "runs", "details"):
        table.add_column(name, overflow="fold")
    for kind, state in found.items():
        details = "\n".join(f"{key}: {value}" for key, value in state["details"].items())
        reason = f"{state['reason']}\n" if state["reason"] else ""
        table.add_row(kind, _yes(state["can_build"]), _yes(state["can_run"]), reason + details)
    _console().print(table)


def _console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: layer names hold brackets and colons."""
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def _points_table(title: str, points: Sequence[Point]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    numbers = ("trial", "mAP50-95", "change", "latency ms", "ratio", "95 % of ratio", "INT8")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("calibration", "mask"):
        table.add_column(name, overflow="fold")
    for point in points:
        table.add_row(*_cells(point))
    return table


def _cells(point: Point) -> list[str]:
    found = point.measurement
    low, high = found.latency_ratio_ci
    return [
        str(point.trial),
        f"{found.map50_95:.4f}",
        f"{found.map50_95_change:+.4f}",
        f"{found.latency_ms:.3f}",
        f"{found.latency_ratio:.3f}{'*' if found.flags else ''}",
        f"{low:.3f}..{high:.3f}",
        str(len(found.int8_layers)),
        found.calibration or "-",
        point.baseline or found.mask,
    ]


def _outcome(record: TrialRecord) -> str:
    if record.measurement is None:
        return f"{record.state}: {record.reason}"
    found = record.measurement
    reused = f", as trial {record.reused_from}" if record.reused_from is not None else ""
    name = f"{record.baseline}, " if record.baseline else ""
    return (
        f"{name}mAP50-95 {found.map50_95:.4f}, {found.latency_ms:.3f} ms, ratio {found.latency_ratio:.3f}, "
        f"{len(found.int8_layers)} INT8{reused}"
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _yes(can: bool) -> str:
    return "yes" if can else "no"
