"""The answer to `qpareto front --require`: yes with the point to ship, or no with the nearest."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table as RichTable

from ...results.compliance import Answer, Compliance
from ...results.doubts import DOUBTS
from ...results.figures import in_words
from ...results.requirements import Finding
from ...table import Table, figures, words
from ...wording import faster, interval, mebibytes, percent
from .console import is_watched, on_terminal, say, terminal

ROLES = {
    "reference": "the reference itself",
    "front": "on the front",
    "recipe": "a baseline off the front",
    "other float type": "off the front",
    "beaten": "off the front",
}


def show_answer(answer: Answer, study: Sequence[str]) -> None:
    """The answer on stdout.

    Args:
        study: how commands name the study: its file, and options such as `--set`.
    """
    console = terminal()
    best = answer.best
    say(console, _no(answer) if best is None else _yes(best, answer), style="bold")
    if best is None:
        _show_nearest(console, answer.nearest)
        return
    rows = [(_limit(finding), _figure(finding), _interval(finding), finding.verdict) for finding in best.findings]
    columns = [*words("required", fold=False), *figures("measured", "95 % interval"), *words("met")]
    console.print(on_terminal(Table(columns, rows), edge=False))
    named = shlex.join(study)
    for line in _remarks(best, answer, named):
        say(console, line)
    console.print(f"  qpareto export {named} -o best --trial {best.point.trial}", soft_wrap=True)  # to be copied


def _no(answer: Answer) -> str:
    return f"No: none of the {answer.measured} measured points keeps {answer.requirements}. The nearest:"


def _yes(best: Compliance, answer: Answer) -> str:
    sure = "Yes" if best.is_sure else "Yes, but not surely"
    confirmed = "confirmed" if best.point.is_measured_again else "not confirmed"
    return (
        f"{sure}: trial {best.point.title} keeps {answer.requirements} "
        f"(probability {percent(best.probability)}, {confirmed})."
    )


def _remarks(best: Compliance, answer: Answer, study: str) -> Iterator[str]:
    """What the point is, whether it was held to account, what is doubtful, and how many others there are."""
    found = best.point.decisive
    layers = f"{len(found.engine.int8_layers)} INT8 layers" if found.engine.int8_layers else "no INT8 layer"
    yield (
        f"Trial {best.point.title}, {_role(best)}: "
        f"{in_words(found, latency_from=f', {faster(found.timing.ratio.value)}')}, "
        f"{mebibytes(found.engine.bytes)}, {layers}."
    )
    yield _account(best, study)
    if found.timing.flags and any(finding.requirement.quantity.source == "latency" for finding in best.findings):
        yield f"Doubtful timing: {'; '.join(DOUBTS.get(flag, flag) for flag in found.timing.flags)}."
    yield f"Points that keep all that is required: {answer.meeting} of {answer.measured}. To ship this one:"


def _account(best: Compliance, study: str) -> str:
    """Whether the figures are of a second measurement, and what makes one if not."""
    searched = best.point.measurement
    if best.point.is_measured_again:
        images = f"{best.point.decisive.accuracy.images} other images"
        if best.point.decisive.accuracy.dataset_hash == searched.accuracy.dataset_hash:
            others = "(`data.confirm` names others, on which accuracy cannot be luck)"
            images = f"the same {searched.accuracy.images} images {others}"
        before = ", ".join(f"{finding.requirement.name} {_figure(finding)}" for finding in best.searched)
        return f"Confirmed: built and measured once more, on {images}, which decides; the search had {before}."
    if best.point.baseline is not None:
        return "Not confirmed, but no search picked this baseline for its figures; `export` measures it anew."
    command = f"`qpareto confirm {study}` measures the front once more" if best.role == "front" else "`export` does"
    return f"Not confirmed: a search picks lucky figures, so the probability is too high until {command}."


def _show_nearest(console: Console, nearest: Sequence[Compliance]) -> None:
    """A row a point, a line each in a pipe: what it misses by how much, then what it keeps."""
    rows = [(f"trial {compliance.point.title}", _shortfall(compliance)) for compliance in nearest]
    if not is_watched(console):
        for row in rows:
            console.print("  " + ": ".join(row), soft_wrap=True)
        return
    table = RichTable(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _shortfall(compliance: Compliance) -> str:
    if compliance.point.refuted:
        return f"{_role(compliance)}; could not be measured once more: {compliance.point.refuted}"
    told = [_missed(finding) for finding in compliance.findings if not finding.is_met]
    kept = [f"{f.requirement.name} ({_figure(f)})" for f in compliance.findings if f.is_met]
    if kept:
        told.append(f"keeps {' and '.join(kept)}")
    confirmed = "confirmed" if compliance.point.is_measured_again else "not confirmed"
    if compliance.searched and all(finding.is_met for finding in compliance.searched):
        confirmed = "kept all in the search, but not when it was confirmed"
    return f"{'; '.join(told)}; {_role(compliance)}, {confirmed}"


def _missed(finding: Finding) -> str:
    """Such as `latency_ratio 0.441 is 0.041 above 0.4 (beyond its 95 % interval)`."""
    if finding.figure is None:
        return f"{finding.requirement.name} is not measured"
    quantity, limit = finding.requirement.quantity, finding.requirement.limit
    side = "above" if quantity.sense == "at most" else "below"
    told = f"{finding.requirement.name} {_figure(finding)} is {finding.excess:.{quantity.digits}f} {side} {limit:g}"
    if finding.figure.low == finding.figure.high:
        return told
    return f"{told} ({'within' if finding.is_possible else 'beyond'} its 95 % interval)"


def _role(compliance: Compliance) -> str:
    """What the point is in its study, and what it runs in where that is no INT8: `on the front, bf16`."""
    told, point = ROLES[compliance.role], compliance.point
    has_int8 = bool(point.measurement.engine.int8_layers)
    return told if has_int8 or compliance.role == "reference" else f"{told}, {point.precision}"


def _limit(finding: Finding) -> str:
    sign = "<=" if finding.requirement.quantity.sense == "at most" else ">="
    return f"{finding.requirement.name} {sign} {finding.requirement.limit:g}"


def _figure(finding: Finding) -> str:
    return "-" if finding.figure is None else f"{finding.figure.value:z.{finding.requirement.quantity.digits}f}"


def _interval(finding: Finding) -> str:
    if finding.figure is None or finding.figure.low == finding.figure.high:
        return "-"
    digits = finding.requirement.quantity.digits
    return interval(finding.figure, lambda end: f"{end:z.{digits}f}", between="..")
