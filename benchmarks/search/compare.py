"""What a recording shows: each sampler's hypervolume by trials, and whether our front beats every recipe and peer.

    python benchmarks/search/compare.py recorded/yolo11n-coco-cpu.jsonl [--peers recorded/peers.json] [--plot out.png]

Hypervolumes are of what was measured, in shares of that of all candidates of the recording together. A recipe or peer
is beaten by a point of our front (of our own trials, recipes left out) that is nowhere worse; it is held by one that is
nowhere worse beyond the intervals of both: of the change in mAP50-95 by a paired bootstrap over the images, and of the
paired latency ratio.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from qpareto.search.front import front_of, hypervolume
from qpareto.search.table import Table, markdown, words
from recording import OBJECTIVES, Line, Recording, losses_of

MARKS = (10, 20, 30, 40)  # trials
OURS = "ours"
SYMBOLS = ("diamond", "square", "triangle-up", "circle", "cross", "x", "star", "pentagon", "triangle-down", "hourglass")


def front_of_lines(lines: Sequence[Line]) -> list[Line]:
    """Those that no other beats, fastest first."""
    kept = [line for line, stays in zip(lines, front_of(losses_of(lines)), strict=True) if stays]
    return sorted(kept, key=lambda line: float(line["latency_ratio"]))


def measured(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if "failed" not in line]


def volumes(recording: Recording, run: str) -> dict[int, float]:
    """The hypervolume by trials of a run, all baselines included, in shares of that of all candidates recorded."""
    best = hypervolume(losses_of(recording.measured), recording.corner)
    trials = recording.trials(run)
    # Recipes that no sampler could ask for, in another float type, are trials too.
    outside = len(recording.baselines) + len(recording.of_run(run)) - len(trials)
    parts = {n: measured(trials[: n - outside]) for n in range(1 + outside, 1 + outside + len(trials))}
    return {n: hypervolume(losses_of(part), recording.corner) / best for n, part in parts.items()}


def volumes_table(recording: Recording) -> str:
    """One row a run, as Markdown."""
    found = {run: volumes(recording, run) for run in recording.runs}
    marks = [mark for mark in MARKS if any(mark in reached for reached in found.values())]
    rows = []
    for run, reached in found.items():
        cells = [f"{reached[mark]:.3f}" if mark in reached else "" for mark in marks]
        trials = recording.of_run(run)
        rows.append((run, *cells, str(len(trials) - len(measured(trials)))))
    return markdown(Table(words("sampler", *(f"{mark} trials" for mark in marks), "failed"), rows))


def peers_of_study(path: Path, study: str) -> dict[str, Line]:
    """By name, those that were measured."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {f"NNCF {row['peer']}": row for row in rows if row["study"] == study and "failed" not in row}


def is_beaten(other: Line, point: Line) -> bool:
    """Whether the point is nowhere worse than the other."""
    return bool((losses_of([point]) <= losses_of([other])).all())


def is_held(other: Line, point: Line) -> bool:
    """Whether the point is nowhere worse than the other beyond both intervals."""
    accuracy = point["map50_95_change_ci"][1] >= other["map50_95_change_ci"][0]
    return bool(accuracy and point["latency_ratio_ci"][0] <= other["latency_ratio_ci"][1])


def rivals_table(rivals: Mapping[str, Line], front: Sequence[Line]) -> str:
    """A row a recipe or peer, in Markdown, with the most accurate point that beats it, else holds it, else nothing."""
    rows = []
    for name, rival in rivals.items():
        found = [("beats it", p) for p in front if is_beaten(rival, p)] or [
            ("holds it", p) for p in front if is_held(rival, p)
        ]
        how, point = max(found, key=lambda pair: float(pair[1]["map50_95"]), default=("**is worse**", None))
        rows.append((name, *_cells(rival), how, *(_cells(point) if point else ("", ""))))
    columns = words("", "change of mAP50-95", "latency ratio", "ours", "change of mAP50-95", "latency ratio")
    return markdown(Table(columns, rows))


def _cells(line: Line) -> tuple[str, str]:
    low, high = line["latency_ratio_ci"]
    return f"{line['map50_95_change']:+.4f}", f"{line['latency_ratio']:.3f} ({low:.3f} to {high:.3f})"


def figure(recording: Recording, rivals: Mapping[str, Line]) -> Any:
    """A plotly figure: hypervolume by trials, and every run's front with the recipes and peers."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    drawn = make_subplots(cols=2, subplot_titles=("hypervolume, share of the best known", "fronts"))
    palette = ("#0b6e4f", "#63b995", "#c8553d", "#e59b8a", "#3b5b92", "#93a8cf", "#8a6d3b", "#c9b083")
    for run, colour in zip(recording.runs, palette, strict=False):
        line, front = {"color": colour, "width": 2}, front_of_lines(measured(recording.trials(run)))
        reached = volumes(recording, run)
        drawn.add_trace(go.Scatter(x=list(reached), y=list(reached.values()), name=run, line=line), row=1, col=1)
        ratios, maps = ([point[name] for point in front] for name in reversed(OBJECTIVES))
        stairs = {"name": run, "mode": "lines+markers", "line": {**line, "shape": "hv"}, "showlegend": False}
        drawn.add_trace(go.Scatter(x=ratios, y=maps, **stairs), row=1, col=2)
    for (name, rival), symbol in zip(rivals.items(), cycle(SYMBOLS)):
        at = {"x": [rival["latency_ratio"]], "y": [rival["map50_95"]], "mode": "markers", "name": name}
        drawn.add_trace(go.Scatter(**at, marker={"color": "black", "symbol": symbol, "size": 10}), row=1, col=2)
    drawn.update_xaxes(title="trials, baselines included", row=1, col=1)
    drawn.update_xaxes(title="latency ratio to the float engine", row=1, col=2)
    drawn.update_yaxes(title="mAP50-95", row=1, col=2)
    return drawn.update_layout(template="plotly_white", width=1200, height=520, legend={"orientation": "h", "y": -0.18})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--peers", type=Path, help="what `peers.py` wrote; the recording's name is the study's")
    parser.add_argument("--run", default=OURS, help="whose front is held against recipes and peers")
    parser.add_argument("--plot", type=Path, help="file to write: .html, or .png")
    arguments = parser.parse_args()
    recording = Recording.opened(arguments.recording)
    peers = peers_of_study(arguments.peers, recording.path.stem) if arguments.peers else {}
    rivals = {**recording.baselines, **peers}
    hashes = {line["graph_hash"] for line in recording.lines if "graph_hash" in line}
    print(f"{len(hashes)} distinct candidates\n")
    print(volumes_table(recording))
    print()
    print(rivals_table(rivals, front_of_lines(measured(recording.of_run(arguments.run)))))
    if arguments.plot:
        drawn = figure(recording, rivals)
        if arguments.plot.suffix == ".png":
            drawn.write_image(arguments.plot, scale=2)  # in a Chromium of this machine
        else:
            drawn.write_html(arguments.plot, include_plotlyjs=True)


if __name__ == "__main__":
    main()
