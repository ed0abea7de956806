"""What a block of a page can show of a recording of several samplers, `benchmarks/search/recorded/NAME.jsonl`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cells import images_of
from provenance import Provenance, in_words

SEARCH = Path(__file__).resolve().parents[1] / "search"
RECORDINGS = SEARCH / "recorded"
FLOAT = ("float", "NNCF float")  # the reference, by the search's way and by NNCF's
OURS = "ours+warm"  # the run of the default sampler, with its warm start
if str(SEARCH) not in sys.path:
    sys.path.append(str(SEARCH))  # where the scripts lie that know what a recording is


def provenance_of(path: Path) -> Provenance:
    from recording import Recording

    return Provenance.of_lines([Recording.opened(path).space])


def samplers(path: Path) -> str:
    """Each sampler's hypervolume by trials."""
    from compare import volumes_table
    from recording import Recording

    recording = Recording.opened(path)
    return f"{volumes_table(recording)}\n\n{_made(path, recording.space)}"


def rivals(path: Path) -> str:
    """Baselines and NNCF's engines against the front of the default sampler."""
    from compare import front_of_lines, measured, peers_of_study, rivals_table
    from recording import Recording

    recording = Recording.opened(path)
    peers = peers_of_study(path.parent / "peers.json", path.stem)
    front = front_of_lines(measured(recording.of_run(OURS)))
    others = {name: line for name, line in {**recording.baselines, **peers}.items() if name not in FLOAT}
    table = rivals_table(others, front)
    return f"{table}\n\n{_made(path, recording.space)}"


def _made(path: Path, space: Mapping[str, object]) -> str:
    found, versions = provenance_of(path), space["versions"]
    assert isinstance(versions, Mapping)
    told = ", ".join(f"{name} {number}" for name, number in versions.items())
    day = in_words(found.until) if found.until else "a day that is not stored"
    return f"Recorded on {day}: {space['device']}, {space['images']} images{images_of(path.stem)}; {told}."


RECORDING_KINDS: Mapping[str, Callable[[Path], str]] = {"samplers": samplers, "rivals": rivals}
