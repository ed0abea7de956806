"""The table that every benchmark prints: count, median and spread, never one number."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence

import numpy as np


def print_table(title: str, seconds: Mapping[str, Sequence[float]], *, baseline: str, unit: str = "s") -> None:
    """Print one row a case: count, median, 10th to 90th percentile, and the ratio of medians to the baseline's.

    Args:
        seconds: case -> its measured values, in the unit.
        baseline: the case that the others are compared with.
    """
    base = float(np.median(seconds[baseline]))
    print(f"{title} ({platform.machine()}, Python {platform.python_version()})\n")
    print(f"| case | count | median, {unit} | 10 % to 90 %, {unit} | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for case, values in seconds.items():
        low, median, high = np.percentile(values, [10, 50, 90])
        print(f"| {case} | {len(values)} | {median:.4g} | {low:.4g} to {high:.4g} | {median / base:.4g} |")
