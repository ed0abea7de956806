"""The pictures of kept studies, by the program's own plots: a study's front, or several fronts over one another.

    python benchmarks/gpu/kept_pictures.py recorded/NAME.json --out docs/images/front-gpu.png
    python benchmarks/gpu/kept_pictures.py recorded/B1.json recorded/B8.json recorded/B32.json --out batches-gpu.png

Several are drawn each against its own reference, as `qpareto report A B C` does for batches of one model.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kept_study import kept_view
from qpareto.search.show.plots.files import write_pngs
from qpareto.search.show.report import figures_of_views
from qpareto.search.show.view import StudyView


def picture(views: Sequence[StudyView]) -> Any:
    """The first figure of one study's report, the one against the references of several's."""
    return figures_of_views(views)["front" if len(views) == 1 else "relative"]


def write_picture(views: Sequence[StudyView], path: Path) -> None:
    """Draw it into a PNG of this name."""
    with tempfile.TemporaryDirectory() as folder:
        (drawn,) = write_pngs({"drawn": picture(views)}, Path(folder) / "picture")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(drawn.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        views = [kept_view(path, Path(folder) / str(i)) for i, path in enumerate(options.files)]
    write_picture(views, options.out)
    print(options.out)


if __name__ == "__main__":
    main()
