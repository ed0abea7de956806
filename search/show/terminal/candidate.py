"""One candidate, a model's layers, and which engines this machine has: tables on stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table as RichTable

from ....objectives.accuracy.metrics import TOP1, Metric
from ....objectives.accuracy.parity import Parity
from ....objectives.engines.profile import LayerTime, reformat_share
from ....objectives.interval import Interval
from ....objectives.measured_engine import MeasuredEngine
from ....objectives.measurement import Measurement
from ...table import Table, figures, words
from ...wording import accuracy, change, faster, interval, mebibytes, ratio, slow_run, with_interval
from .console import on_terminal, terminal


def show_measurement(measurement: Measurement) -> None:
    """One measurement as a table of two columns."""
    scored, timed, engine = measurement.accuracy, measurement.timing, measurement.engine
    table = RichTable(box=box.SIMPLE, show_header=False)
    cold = "" if timed.cold_ms is None else f" (first run {ratio(timed.cold_ms)} ms)"
    rows = {
        scored.label: f"{accuracy(scored.value)} ({change(scored.change.value)}, "
        f"95 % {interval(scored.change, change)})",
        **{name: " / ".join(map(accuracy, values)) for name, values in scored.beside.items()},
        "latency": f"{ratio(timed.ms)} ms{cold}",
        "slow runs, 99 % bounds": f"p90 {slow_run(timed.p90)} ms, p99 {slow_run(timed.p99)} ms",
        "ratio to the reference": f"{ratio(timed.ratio.value)} "
        f"(95 % {interval(timed.ratio, ratio)}, {timed.pairs} pairs)",
        "speedup": faster(timed.ratio.value),
        "timing disturbed by": ", ".join(timed.flags) or "nothing",
        "engine": f"{mebibytes(engine.bytes)}, {engine.kind} {engine.float_type}, {engine.run_by}",
        "INT8 layers": f"{len(engine.int8_layers)}, calibration {engine.calibration or 'none'}",
        "what really ran": _what_ran(engine),
        "against its graph": _parity(engine.parity, scored.metric),
        "energy of a run": "-" if timed.energy_mj is None else f"{timed.energy_mj:.1f} mJ",
        "device while timing": ", ".join(f"{name} {value}" for name, value in timed.readings.items()) or "-",
        "mask": engine.mask,
        "device": measurement.provenance.device,
        "images": str(scored.images),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    terminal().print(table)


def _what_ran(engine: MeasuredEngine) -> str:
    if engine.int8_ran is None:
        return "-"
    share = "" if engine.reformat_share is None else f", {engine.reformat_share:.1%} of the layers' time"
    return f"{engine.int8_ran} of {len(engine.int8_layers)} in INT8; {engine.reformats} reformats{share}"


def _parity(found: Parity | None, metric: Metric) -> str:
    if found is None:
        return "-"
    if metric is TOP1:  # nothing has a place
        return f"scores off by {found.score_error:.4f} ({found.images} images)"
    shapes = "" if found.shape_error is None else f"masks or key points by {found.shape_error:.4f}; "
    return (
        f"boxes off by {found.box_error:.4f} of their size, shifted by {found.box_shift:.4f}; {shapes}"
        f"scores by {found.score_error:.4f} ({found.boxes} boxes, {found.images} images)"
    )


def show_profile(times: Sequence[LayerTime]) -> None:
    """What each layer of an engine takes, in execution order, and what share reformats take."""
    whole_ms = sum(time.ms for time in times)
    rows = []
    for time in times:
        kind = "reformat" if time.reformat else time.precision.title if time.precision else "-"
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
    sensitive, labelled = "sensitivity" in rows[0], "block_change" in rows[0]
    columns = [*words("layer", "op", "block"), *figures("MMACs"), *words("INT8")]
    columns += figures("box error", "score error", "harm, 1e-6", "relief, 1e-6") if sensitive else []
    columns += figures("block's change") if labelled else []
    shown = []
    for row in rows:
        can = "no INT8 kernel here" if row["no_kernel"] else "yes" if row["quantizable"] else "ModelOpt refuses"
        cells = [row["name"], row["op"], row["block"], f"{row['macs'] / 1e6:.2f}", can]
        cells += _sensitivity_cells(row["sensitivity"]) if sensitive else []
        cells += [_change_cell(row["block_change"])] if labelled else []
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
    return "" if found is None else with_interval(Interval(*found), change)


def show_doctor(found: Mapping[str, Mapping[str, Any]]) -> None:
    """What each kind of engine can do here."""
    rows = []
    for kind, state in found.items():
        details = "\n".join(f"{key}: {value}" for key, value in state["details"].items())
        reason = f"{state['reason']}\n" if state["reason"] else ""
        can = ("yes" if state[what] else "no" for what in ("can_build", "can_run"))
        rows.append((kind, *can, reason + details))
    terminal().print(on_terminal(Table(words("engine", "builds", "runs", "details"), rows)))
