"""Tables on stdout, talk and progress on stderr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table as RichTable

from ...objectives.engines.profile import LayerTime, reformat_share
from ...objectives.measurement import Measurement
from ...objectives.selftest.check import Check
from ..record import TrialRecord
from ..table import Table, figures, words
from ..wording import accuracy, change, faster, interval, mebibytes, ratio, slow_run, with_interval

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
    console = terminal(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not is_watched(console)) as bar:
        yield TrialProgress(bar, total=total)


def show_measurement(measurement: Measurement) -> None:
    """One measurement as a table of two columns."""
    table = RichTable(box=box.SIMPLE, show_header=False)
    rows = {
        "mAP50-95": f"{accuracy(measurement.map50_95)} ({change(measurement.map50_95_change)}, "
        f"95 % {interval(measurement.map50_95_change_ci, change)})",
        "mAP50": accuracy(measurement.map50),
        "AP small / medium / large": " / ".join(
            map(accuracy, (measurement.ap_small, measurement.ap_medium, measurement.ap_large))
        ),
        "latency": f"{ratio(measurement.latency_ms)} ms{_cold(measurement)}",
        "slow runs, 99 % bounds": f"p90 {slow_run(measurement.latency_p90_ms, measurement.latency_p90_bound_ms)} ms, "
        f"p99 {slow_run(measurement.latency_p99_ms, measurement.latency_p99_bound_ms)} ms",
        "ratio to the reference": f"{ratio(measurement.latency_ratio)} "
        f"(95 % {interval(measurement.latency_ratio_ci, ratio)}, {measurement.pairs} pairs)",
        "speedup": faster(measurement.latency_ratio),
        "timing disturbed by": ", ".join(measurement.flags) or "nothing",
        "engine": f"{mebibytes(measurement.engine_bytes)}, {measurement.engine} {measurement.float_type}, "
        f"batch {measurement.batch}, {measurement.threads} threads",
        "INT8 layers": f"{len(measurement.int8_layers)}, calibration {measurement.calibration or 'none'}",
        "what really ran": _what_ran(measurement),
        "against its graph": _parity(measurement),
        "energy of a run": "-" if measurement.energy_mj is None else f"{measurement.energy_mj:.1f} mJ",
        "device while timing": ", ".join(f"{name} {value}" for name, value in measurement.readings.items()) or "-",
        "mask": measurement.mask,
        "device": measurement.device,
        "images": str(measurement.images),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    terminal().print(table)


def _cold(found: Measurement) -> str:
    return "" if found.latency_cold_ms is None else f" (first run {ratio(found.latency_cold_ms)} ms)"


def _what_ran(found: Measurement) -> str:
    if found.int8_ran is None:
        return "-"
    share = "" if found.reformat_share is None else f", {found.reformat_share:.1%} of the layers' time"
    return f"{found.int8_ran} of {len(found.int8_layers)} in INT8; {found.reformats} reformats{share}"


def _parity(found: Measurement) -> str:
    if not found.parity:
        return "-"
    return (
        f"boxes off by {found.parity['box_error']:.4f} of their size, shifted by {found.parity['box_shift']:.4f}; "
        f"scores by {found.parity['score_error']:.4f} ({found.parity['boxes']:g} boxes, "
        f"{found.parity['images']:g} images)"
    )


def show_profile(times: Sequence[LayerTime]) -> None:
    """What each layer of an engine takes, in execution order, and what share reformats take."""
    whole_ms = sum(time.ms for time in times)
    rows = []
    for time in times:
        kind = "reformat" if time.reformat else {True: "INT8", False: "float", None: "-"}[time.int8]
        rows.append((f"{time.ms:.4f}", f"{time.ms / whole_ms:.1%}", kind, " + ".join(time.nodes) or time.name))
    console = terminal()
    console.print(on_terminal(Table([*figures("ms", "share"), *words("runs in", "layer")], rows)))
    console.print(
        f"{len(times)} layers, {whole_ms:.3f} ms with the profiler's own cost; reformats take "
        f"{reformat_share(times):.1%}. Trust shares, not sums.",
        soft_wrap=True,
    )


def show_build(built: Mapping[str, Any]) -> None:
    """What `measure --build-only` made."""
    versions = ", ".join(f"{name} {version}" for name, version in built["versions"].items())
    print(
        f"{built['engine']} {built['float_type']} engine, {mebibytes(built['engine_bytes'])}, "
        f"{len(built['int8_layers'])} INT8 layers (mask {built['mask']}), built in {built['seconds']:.1f} s; {versions}"
    )


def show_layers(rows: Sequence[Mapping[str, Any]]) -> None:
    """A model's layers in graph order, with their sensitivity and their blocks' where the rows have them."""
    sensitive, labelled = "sensitivity" in rows[0], "block_map50_95_change" in rows[0]
    columns = [*words("layer", "op", "block"), *figures("MMACs"), *words("INT8")]
    columns += figures("box error", "score error", "harm, 1e-6", "relief, 1e-6") if sensitive else []
    columns += figures("block's mAP50-95") if labelled else []
    shown = []
    for row in rows:
        can = "no INT8 kernel here" if row["no_kernel"] else "yes" if row["quantizable"] else "ModelOpt refuses"
        cells = [row["name"], row["op"], row["block"], f"{row['macs'] / 1e6:.2f}", can]
        cells += _sensitivity_cells(row["sensitivity"]) if sensitive else []
        cells += [_change_cell(row["block_map50_95_change"])] if labelled else []
        shown.append(cells)
    terminal().print(on_terminal(Table(columns, shown)))


def _sensitivity_cells(found: Mapping[str, float] | None) -> list[str]:
    """Empty for a layer that is never INT8."""
    if found is None:
        return [""] * 4
    return [
        f"{found['box_error']:.5f}",
        f"{found['score_error']:.5f}",
        f"{found['harm'] * 1e6:.2f} ± {found['harm_se'] * 1e6:.2f}",
        f"{found['relief'] * 1e6:.0f} ± {found['relief_se'] * 1e6:.0f}",
    ]


def _change_cell(found: tuple[float, float, float] | None) -> str:
    """Empty for a block that is never INT8."""
    return "" if found is None else with_interval(found[0], found[1:], change)


def show_doctor(found: Mapping[str, Mapping[str, Any]]) -> None:
    """What each kind of engine can do here."""
    rows = []
    for kind, state in found.items():
        details = "\n".join(f"{key}: {value}" for key, value in state["details"].items())
        reason = f"{state['reason']}\n" if state["reason"] else ""
        rows.append((kind, _yes(state["can_build"]), _yes(state["can_run"]), reason + details))
    terminal().print(on_terminal(Table(words("engine", "builds", "runs", "details"), rows)))


def show_check(check: Check) -> None:
    """One check of a self-test, as soon as it is known."""
    print(f"{check.outcome:<7}  {check.engine}: {check.name}  ({check.detail})", flush=True)


def is_watched(console: Console) -> bool:
    """Whether somebody sits before it: what moves is for them alone. FORCE_COLOR, as CI sets it, makes no terminal."""
    return console.file.isatty()


def terminal(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: layer names hold brackets and colons."""
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not is_watched(console):
        console.width = PIPE_WIDTH
    return console


def on_terminal(table: Table, *, title: str | None = None, edge: bool = True, bold: int | None = None) -> RichTable:
    """A table for a console to print.

    Args:
        edge: a space before the first column.
        bold: the row that stands out.
    """
    drawn = RichTable(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=edge)
    for column in table.columns:
        drawn.add_column(
            column.heading,
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            overflow="fold",
            min_width=column.least,
        )
    for i, row in enumerate(table.rows):
        drawn.add_row(*row, style="bold" if i == bold else None)
    return drawn


def say(console: Console, text: str, *, style: str | None = None) -> None:
    """Print a sentence: folded at words for a reader, one line in a pipe."""
    console.print(text, style=style, soft_wrap=not is_watched(console))


def _outcome(record: TrialRecord) -> str:
    """How a trial ended, in a line that fits a window; only why one failed may take more."""
    again = record.reused_from is not None
    parts = [record.baseline or "", f"as trial {record.reused_from}" if again else ""]
    if record.stopped is not None:
        found = record.stopped
        parts.append(f"{'' if again else 'stopped, '}beaten by trial {found.rival}")
        figures = f"mAP50-95 about {found.map50_95.value:.3f}, {faster(found.latency_ratio)}"
    elif record.measurement is None:
        parts.append(record.state)
        figures = str(record.reason)
    else:
        figures = _figures(record.measurement, again=again)
    return ": ".join(filter(None, (", ".join(filter(None, parts)), figures)))


def _figures(found: Measurement, *, again: bool) -> str:
    """Fewer where an earlier line has told them."""
    if again:
        return f"mAP50-95 {accuracy(found.map50_95)}, {faster(found.latency_ratio)}"
    return (
        f"mAP50-95 {accuracy(found.map50_95)}, {ratio(found.latency_ms)} ms, {faster(found.latency_ratio)}, "
        f"{len(found.int8_layers)} INT8"
    )


def _yes(can: bool) -> str:
    return "yes" if can else "no"
