"""The report: one HTML file to send to somebody, which needs no network and begins with the answer."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping, Sequence
from html import escape
from itertools import zip_longest
from typing import Any

from .... import __version__
from ....objectives.accuracy.metrics import Metric
from ...table import Table, figures, html, words
from ...wording import ratio
from ..answer import answer
from ..plots import figures_of_view, fronts_figure, growth_figure
from ..tables import facts, points_table
from ..view import StudyView
from .changes import Changes, confidence_figure, html_of_changes

CAPTIONS = {
    "front": "Better is up and to the left. Bars are 95 % intervals: of the latency ratio, and of accuracy's change "
    "against the reference by a paired bootstrap over images. What was confirmed on other images is drawn at its "
    "change there. A ring is around the answer.",
    "masks": "A row for each point of the front, the fastest at the top, and for the answer, which has a ring. Blue is "
    "INT8, grey is float.",
    "worth": "What turning a layer INT8 does, as a linear model learns it from this study's trials; coloured where its "
    "95 % interval excludes 0 (blue lowers, vermilion raises), grey where it may be nothing.",
    "bargains": "What a layer saves, by profiles, against what it harms, by the outputs on a few calibration images: "
    "before any trial. Cheap layers are at the bottom right.",
    "growth": "The share of the box between half the reference's accuracy and its latency that the points dominate.",
    "confidence": "F1, the mean over classes at IoU 0.50. Who takes this engine in the reference's place and leaves "
    "the confidence as it was gets the F1 of its curve below or above the reference's mark.",
    "fronts": "The fronts of all studies; stars are their references.",
    "relative": "Each study against its own reference: for other devices, batch sizes and models.",
}

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #666; --line: #ddd; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --soft: #a0a0a0; --line: #3a3a3a; --page: #16181b; } }
@media print { :root { --ink: #000; --soft: #444; --line: #bbb; --page: #fff; } section { break-inside: avoid; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 0 auto; padding: 1rem;
  max-width: 60rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; }
.answer li:first-child { font-weight: 600; } .answer { padding-left: 1.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } figcaption, footer { color: var(--soft); font-size: .85rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .9rem; }
h3 { font-size: 1.05rem; margin: 1.2rem 0 .3rem; } .scroll { margin: .6rem 0; } img { max-width: 100%; }
dt { color: var(--soft); } dd { margin: 0; } figure { margin: 1rem 0; }
.js-plotly-plot text:not(.hovertext text) { fill: var(--ink) !important; }
"""

# plotly.js is embedded once, compressed: a third of its size, and of what a mail takes
SCRIPT = """
async function draw() {
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent.trim()), c => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  for (const data of document.querySelectorAll("script.figure")) {
    const figure = JSON.parse(data.textContent);
    await Plotly.newPlot(data.previousElementSibling, figure.data, figure.layout,
      {responsive: true, displayModeBar: false});
  }
  document.body.dataset.drawn = "yes";
}
draw().catch(error => { document.body.dataset.drawn = "no"; console.error(error);
  document.getElementById("sorry").textContent = "The figures need a browser of 2023 or newer."; });
addEventListener("beforeprint", () => document.querySelectorAll(".plot").forEach(p => Plotly.Plots.resize(p)));
"""


def report(
    views: Sequence[StudyView], changes: Sequence[Changes | str] = (), drawn: Mapping[str, Any] | None = None
) -> str:
    """The whole page of one study, or of several laid over one another.

    Args:
        drawn: `figures_of_views` of these, where somebody needs them too.
        changes: how each study's detections changed, or why that is not known; left out if empty.
    """
    alone = len(views) == 1
    title = " and ".join(view.name for view in views)
    first = figures_of_views(views) if drawn is None else drawn
    compared = "" if alone else _compared(views) + "".join(map(_figure, first, first.values()))
    pages = [
        _study(view, told, first if alone else figures_of_view(view), alone=alone)
        for view, told in zip_longest(views, changes)
    ]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>{escape(title)}: qpareto</title><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1>
{compared}{"".join(pages)}
<p id="sorry"></p>
<footer>{_footer(views)}</footer>
<script type="text/plain" id="plotly">{_packed_plotly()}</script>
<script>{SCRIPT}</script></body></html>
"""


def figures_of_views(views: Sequence[StudyView]) -> dict[str, Any]:
    """The figures that come first in a report: of one study all of its own, of several those that compare."""
    if len(views) == 1:
        return figures_of_view(views[0])
    return {
        "fronts": fronts_figure(views),
        "relative": fronts_figure(views, relative=True),
        "growth": growth_figure(views),
    }


def _compared(views: Sequence[StudyView]) -> str:
    rows = []
    for view in views:
        found = facts(view)
        fastest = ratio(view.feasible_front[0].decisive.timing.ms) if view.feasible_front else "-"
        rows.append((view.name, found.get("device", "-"), found.get("engine", "-"), fastest, found["hypervolume"]))
    return html(Table([*words("study", "device", "engine"), *figures("fastest, ms", "hypervolume")], rows))


def _study(view: StudyView, changes: Changes | str | None, drawn: Mapping[str, Any], *, alone: bool) -> str:
    """The answer, the figures, the tables and the facts of one study."""
    heading = "" if alone else f"<h2>{escape(view.name)}</h2>"
    failed = [(str(r.number), r.reason or "-") for r in view.results.records if r.outcome.has_failed]
    told = "".join(f"<li>{escape(line)}</li>" for line in answer(view))
    front, *others = map(_figure, drawn, drawn.values())
    sections = [
        f"<section>{heading}<ul class='answer'>{told}</ul></section>",
        front,
        f"<section><h2>The front</h2>{html(points_table(view.feasible_front))}</section>",
        f"<section><h2>Beside it</h2>{html(points_table(view.results.beside_front()))}"
        "<p>Baselines, and what was confirmed and is beaten.</p></section>",
        _changes(changes, view.results.metric) if changes is not None else "",
        *others,
        f"<section><h2>How it was measured</h2>{_definitions(facts(view))}</section>",
        f"<section><h2>What failed</h2>{html(Table(words('trial', 'reason'), failed))}</section>" if failed else "",
    ]
    return "\n".join(sections)


def _changes(changes: Changes | str, metric: Metric) -> str:
    title = f"<h2>What {metric.label.split('50')[0]} hides</h2>"
    if isinstance(changes, str):
        return f"<section>{title}<p>{escape(changes)}</p></section>"
    figure = _figure("confidence", confidence_figure(changes.drift.confidence, name=f"trial {changes.trial}"))
    return f"<section>{title}{figure}{html_of_changes(changes, metric)}</section>"


def _figure(name: str, figure: Any) -> str:
    data = figure.to_json().replace("</", "<\\/")  # no name in it may end the script
    return (
        f"<section><figure id='{name}'><div class='plot'></div>"
        f"<script type='application/json' class='figure'>{data}</script>"
        f"<figcaption>{escape(CAPTIONS[name])}</figcaption></figure></section>"
    )


def _definitions(found: dict[str, str]) -> str:
    return (
        "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in found.items()) + "</dl>"
    )


def _footer(views: Sequence[StudyView]) -> str:
    ended = max((when for view in views for when in view.ended.values()), default=None)
    until = f", as of {ended:%Y-%m-%d %H:%M}" if ended else ""
    return (
        f"qpareto {escape(__version__)}{until}. Latency is the engine's own, without pre- and postprocessing: the "
        "paired ratio to the reference times the reference's milliseconds. p90 and p99 are of the runs as they were "
        "timed, with upper bounds at 99 % confidence. * other work disturbed this timing."
    )


def _packed_plotly() -> str:
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
