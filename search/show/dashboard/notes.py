"""What optuna-dashboard shows in words: a note of the study, and one of each trial, as Markdown."""

from __future__ import annotations

from ....errors import CandidateError
from ....objectives.measurement import Measurement
from ...results.doubts import DOUBTS
from ...study.record import TrialRecord
from ...table import markdown
from ...wording import accuracy, change, int8_in_words, interval, mebibytes, ratio
from ..answer import answer
from ..tables import facts, points_table
from ..view import StudyView


def note_of_study(view: StudyView, *, study_file: str) -> str:
    """The answer, the front and the recipes as tables, what was searched, and the commands that export.

    Args:
        study_file: as the commands name it.
    """
    parts = [
        "\n".join(f"- {line}" for line in answer(view)),
        "## The front",
        markdown(points_table(view.feasible_front)),
        "## Beside it: baselines, and what was confirmed and is beaten",
        markdown(points_table(view.results.beside_front())),
        "## Ship one",
        "```\n" + "\n".join(_commands(study_file)) + "\n```",
        "## What is searched",
        "\n".join(f"- {name}: {value}" for name, value in facts(view).items()),
    ]
    return "\n\n".join(parts)


def note_of_trial(record: TrialRecord, confirmed: Measurement | CandidateError | None = None) -> str:
    """What a trial is, what it scored, what really ran in INT8, and what to doubt.

    Args:
        confirmed: what it scored when it was measured once more, if it was.
    """
    lines = [f"Baseline: **{record.baseline}**"] if record.baseline else []
    if record.reused_from is not None:
        lines.append(f"The same engine as trial {record.reused_from}, whose result this is.")
    if record.measurement is not None:
        lines += _scored(record.measurement)
    elif record.stopped is not None:
        lines.append(f"{record.stopped}.")
    elif record.reason:
        lines.append(f"Failed: {record.reason}")
    if isinstance(confirmed, Measurement):
        scored, timed = confirmed.accuracy, confirmed.timing
        figures = f"change {change(scored.change.value)}, ratio {ratio(timed.ratio.value)}"
        lines.append(f"Measured once more on {scored.images} images: {figures}.")
    elif confirmed is not None:
        lines.append(f"Could not be measured once more: {confirmed}")
    return "\n".join(f"- {line}" for line in lines)


def _scored(found: Measurement) -> list[str]:
    scored, timed, engine = found.accuracy, found.timing, found.engine
    lines = [
        f"{scored.label} **{accuracy(scored.value)}** ({change(scored.change.value)}, "
        f"95 % {interval(scored.change, change)}) on {scored.images} images",
        f"latency **{ratio(timed.ms)} ms**: {ratio(timed.ratio.value)} of the reference's "
        f"(95 % {interval(timed.ratio, ratio)}, {timed.pairs} pairs)",
        f"{int8_in_words(engine)}; calibration {engine.calibration or 'none'}; the others "
        f"{engine.float_type}; mask `{engine.mask}`",
        f"engine {mebibytes(engine.bytes)} on {found.provenance.device}",
    ]
    if engine.reformats is not None:
        lines.append(f"{engine.reformats} reformats between the layers")
    return [*lines, *[f"Doubtful timing: {DOUBTS.get(flag, flag)}." for flag in timed.flags]]


def _commands(study_file: str) -> list[str]:
    export = f"qpareto export {study_file} -o engine"
    return [f"{export}  # the answer", f"{export} --max-map-drop 0.01", f"{export} --knee"]
