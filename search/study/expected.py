"""What is expected of a study's switches before any trial: kept with the study, so that whoever looks at it sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .search_study import SearchStudy

_KEY = "expected"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Of every switch, in the network's order.

    Args:
        layers: switch -> the layers that it turns.
        harm: switch -> what INT8 does to the detections by itself, at least about 0; empty if it was not measured.
        saved_ms: switch -> milliseconds that INT8 saves, below 0 where it costs; empty if it was not measured.
    """

    layers: Mapping[str, tuple[str, ...]]
    harm: Mapping[str, float]
    saved_ms: Mapping[str, float]

    def keep(self, study: SearchStudy) -> None:
        """Write it to the study, once: of several workers all would write the same."""
        if _KEY not in study.study.user_attrs:
            study.study.set_user_attr(_KEY, asdict(self))


def expected_of_study(study: SearchStudy) -> Expected | None:
    """What `Expected.keep` has written; None if the study's workers never asked."""
    told: dict[str, Any] | None = study.study.user_attrs.get(_KEY)
    return None if told is None else Expected(**told)
