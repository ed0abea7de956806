"""What a cache holds, and what it saved this process."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .disk import apparent_bytes
from .entries import LOGS, damaged_of, entries_of
from .store import Store


@dataclass(frozen=True)
class KindReport:
    """The entries of one kind, such as `engines`."""

    entries: int
    bytes: int


@dataclass(frozen=True)
class CacheReport:
    """What a cache holds now.

    Args:
        kinds: by name.
        damaged: entries that were set aside.
        counts: of this process's store: `found`, `fetched`, `made`, `damaged`.
    """

    kinds: dict[str, KindReport]
    damaged: int
    log_bytes: int
    counts: dict[str, int]

    @property
    def bytes(self) -> int:
        return sum(kind.bytes for kind in self.kinds.values())


def cache_report(store: Store) -> CacheReport:
    entries, sizes = Counter[str](), Counter[str]()
    for entry in entries_of(store.root):
        entries[entry.path.parent.name] += 1
        sizes[entry.path.parent.name] += entry.size_bytes
    return CacheReport(
        kinds={name: KindReport(entries[name], sizes[name]) for name in sorted(entries)},
        damaged=len(damaged_of(store.root)),
        log_bytes=apparent_bytes(store.root / LOGS),
        counts=dict(store.counts),
    )
