"""What a block of a page can show of a kept study."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cells import device_of, images_of, model_of
from kept import Kept
from kept_tables import costs, front_table, growth_table, head, ran_table
from qpareto.search.show.headline import headline
from qpareto.search.table import Table, markdown, words
from short import headline_sentence, made_line, short_table

PICTURE = "picture"
COVERAGE = "coverage"  # of a record of benchmarks/coverage.py, recorded/NAME.jsonl, instead of a study


def caption(kept: Kept) -> str:
    """What the picture of a front shows."""
    view = kept.view
    first, trials = view.results.points[0].measurement, sum(r.outcome.counts for r in view.results.records)
    ring = ", the answer in a ring" if headline(view).best else ""
    nncf = ", purple NNCF's" if kept.peers else ""
    images = f"{first.accuracy.images} images{images_of(view.name)}"
    return (
        f"*{model_of(view.name)} on {device_of(view)}, {images}, {trials} trials: "
        f"green what qpareto found{ring}, red the baselines that one would use instead{nncf}. Bars are 95 % intervals; "
        "those of mAP are of the change against the float model.*"
    )


def readme(kept: Kept) -> str:
    return "\n\n".join((short_table(kept), made_line(kept)))


def study(kept: Kept) -> str:
    """A section of its own."""
    view = kept.view
    title = f"## {model_of(view.name)} on {device_of(view)}"
    parts = [title, head(view), headline_sentence(kept), front_table(view, kept.peers), *view.results.remarks()]
    made = f"What making NNCF's engines took:\n\n{peers(kept)}" if kept.peers else ""
    return "\n\n".join(part for part in (*parts, made, growth_table(view), costs(view)) if part)


def peers(kept: Kept) -> str:
    """What making NNCF's engines took."""
    columns = ("", "ran in INT8", "calibration images", "wall, s", "CPU, s")
    rows = [
        (p.title, f"{p.int8_layers} of {p.layers}", str(p.calibration_images), f"{p.wall_s:.0f}", f"{p.cpu_s:.0f}")
        for p in kept.peers
    ]
    return markdown(Table(words(*columns), rows))


STUDY_KINDS: Mapping[str, Callable[[Kept], str]] = {
    "readme": readme,  # short, made
    "study": study,  # made with, headline, front, remarks, growth, costs
    "headline": headline_sentence,
    "short": short_table,
    "made": made_line,
    "front": lambda kept: front_table(kept.view, kept.peers),
    "growth": lambda kept: growth_table(kept.view),
    "ran": lambda kept: ran_table(kept.view),
    "costs": lambda kept: costs(kept.view),
    "peers": peers,
    PICTURE: caption,  # headline, picture, caption
}
