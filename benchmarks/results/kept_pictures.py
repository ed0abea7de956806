"""The pictures of kept studies, by the program's own plots: a study's front, or several fronts over one another.

    python benchmarks/results/kept_pictures.py recorded/NAME.json --out docs/images/front-gpu.png
    python benchmarks/results/kept_pictures.py recorded/B1.json recorded/B8.json recorded/B32.json --out batches-gpu.png

Several are drawn each against its own reference, as `qpareto report A B C` does for batches of one model. A picture
holds the hash of what it shows, so that a test can tell without a browser whether it is of the data that is there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cells import unit_ms
from kept import Kept
from kept_peers import Peer, best_peers
from qpareto.search.show.plots.files import write_pngs
from qpareto.search.show.plots.front import BASELINE_SYMBOLS, front_figure, fronts_figure
from qpareto.search.show.plots.look import PURPLE
from qpareto.search.show.view import StudyView

_KEY = b"qpareto-figure"
_HEAD = 8 + 25  # bytes of a PNG before its second chunk: the signature, and the chunk of its size


def picture(kept: Sequence[Kept]) -> Any:
    """The first figure of one study's report, with `best_peers`; the one against the references of several's."""
    if len(kept) > 1:
        return fronts_figure([each.view for each in kept], relative=True)
    (only,) = kept
    figure = front_figure(only.view)
    for i, peer in enumerate(best_peers(only.peers)):
        figure.add_trace(_peer(peer, only.view, BASELINE_SYMBOLS[i % len(BASELINE_SYMBOLS)]))
    return figure


def _peer(peer: Peer, view: StudyView, symbol: str) -> Any:
    """At its change from the reference, as points of the front are drawn."""
    import plotly.graph_objects as go

    found, reference = peer.decisive, view.results.points[0].measurement.accuracy.reference_value
    return go.Scatter(
        x=[found.ratio.value * unit_ms(view)],
        y=[reference + found.change.value],
        mode="markers",
        name=peer.title.replace("`", ""),
        marker={"color": PURPLE, "size": 11, "symbol": symbol},
    )


def write_picture(kept: Sequence[Kept], path: Path) -> bool:
    """Draw it into a PNG of this name, unless that holds it already; returns whether it was drawn.

    Raises:
        QParetoError: there is no Chromium to draw it, or it did not.
    """
    figure = picture(kept)
    wanted = figure_hash(figure)
    if drawn_hash(path) == wanted:
        return False
    with tempfile.TemporaryDirectory() as folder:
        (drawn,) = write_pngs({"drawn": figure}, Path(folder) / "picture")
        told = drawn.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(told[:_HEAD] + _chunk(b"tEXt", _KEY + b"\0" + wanted.encode()) + told[_HEAD:])
    return True


def figure_hash(figure: Any) -> str:
    """Of all that a figure shows, to six digits; not of the library's own template."""
    shown = json.loads(figure.to_json())
    shown["layout"].pop("template", None)
    text = json.dumps(_rounded(shown), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def drawn_hash(path: Path) -> str | None:
    """Of what a picture shows; None if there is none, or it is not one of ours."""
    if not path.is_file():
        return None
    told = path.read_bytes()
    (length,) = struct.unpack(">I", told[_HEAD : _HEAD + 4])
    name, found = told[_HEAD + 4 : _HEAD + 8], told[_HEAD + 8 : _HEAD + 8 + length]
    return found.partition(b"\0")[2].decode() if name == b"tEXt" and found.startswith(_KEY + b"\0") else None


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _rounded(shown: Any) -> Any:
    if isinstance(shown, float):
        return float(f"{shown:.6g}")
    if isinstance(shown, dict):
        return {name: _rounded(each) for name, each in shown.items()}
    return [_rounded(each) for each in shown] if isinstance(shown, list) else shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    options = parser.parse_args()
    write_picture([Kept.opened(path) for path in options.files], options.out)
    print(options.out)


if __name__ == "__main__":
    main()
