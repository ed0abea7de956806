"""A kept study with all that is published of it: what it found, other tools' engines beside it, where it is from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kept_peers import Peer, peers_of_rows
from kept_study import kept_view, read_document
from provenance import Provenance
from qpareto.search.show.view import StudyView


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A data file, read. `opened` does that.

    Args:
        name: the file's, without its ending.
        peers: in the order of measuring; often none.
    """

    name: str
    view: StudyView
    peers: tuple[Peer, ...]
    provenance: Provenance

    @classmethod
    def opened(cls, path: Path) -> Kept:
        document = read_document(path)
        view = kept_view(document)
        peers = peers_of_rows(document.get("peers", []), view.results.spread)
        return cls(name=path.stem, view=view, peers=peers, provenance=Provenance.of_study(document))
