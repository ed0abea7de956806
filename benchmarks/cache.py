"""What the cache costs beside the work that it saves: sealing, verifying, finding again, fetching from a remote.

    python benchmarks/cache.py [--model M.onnx] [--images FOLDER] [--limit N] [--repeats N]

Two entries: letterboxed images, the largest there are, and an OpenVINO engine. `made` is the work, sealed and all.
`verified` reads and hashes every byte, as a process does once; the files are in the system's memory by then, as they
are for whoever uses them next. `found again` is what every later use in that process costs. `fetched` is from a remote
that is a folder on the same disk: a network adds its own time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from qpareto.objectives.accuracy.data.image_files import list_images
from qpareto.objectives.accuracy.data.images import letterboxed_images
from qpareto.objectives.engines.build import engine_from_onnx
from qpareto.objectives.engines.openvino.kind import OpenVinoOptions
from qpareto.objectives.store import Remote, Store, file_hash, is_whole
from qpareto.objectives.store.seal import seal, seal_of
from table import print_table

SHARED = Path(__file__).resolve().parents[1].parent / "shared"

T = TypeVar("T")
Make = Callable[[Store], Path]  # the entry's folder


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", type=Path, default=SHARED / "models" / "yolo11n.onnx")
    parser.add_argument("--images", type=Path, default=SHARED / "coco" / "eval" / "images")
    parser.add_argument("--limit", type=int, default=100, help="the first so many images, at 640 pixels")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    images = list_images(options.images)[: options.limit]
    makes: dict[str, Make] = {
        f"{len(images)} letterboxed images": lambda store: (
            letterboxed_images(images, height=640, width=640, store=store).path.parent
        ),
        f"An engine of {options.model.stem}": partial(_engine, options.model),
    }
    for name, make in makes.items():
        _print(name, make, options.repeats)


def _engine(model: Path, store: Store) -> Path:
    return engine_from_onnx(model, file_hash(model), OpenVinoOptions(), store).folder


def _print(name: str, make: Make, repeats: int) -> None:
    seconds: dict[str, list[float]] = {}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            entry = _measure(make, Path(folder), seconds)
            sealed = seal_of(entry)
    if sealed is None:
        raise SystemExit(f"{name}: the entry has lost its seal.")
    print_table(f"{name}, {sealed.bytes / 2**20:.1f} MiB in {len(sealed.files)} files", seconds, baseline="made")
    print()


def _measure(make: Make, folder: Path, seconds: dict[str, list[float]]) -> Path:
    """Once through all cases; returns the entry's folder."""

    def time_it(case: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        seconds.setdefault(case, []).append(time.perf_counter() - start)
        return result

    store, remote = Store(folder / "one"), Remote(f"file://{folder}/remote")
    entry = time_it("made", lambda: make(store))
    at = entry.parent.name, entry.name
    time_it("sealed", lambda: seal(entry))
    time_it("verified", lambda: is_whole(entry))
    store.find(*at)
    time_it("found again", lambda: store.find(*at))
    time_it("uploaded", lambda: remote.push(*at, entry))
    if time_it("fetched", lambda: Store(folder / "other", remote).find(*at)) is None:
        raise SystemExit("what was uploaded cannot be fetched.")
    return entry


if __name__ == "__main__":
    main()
