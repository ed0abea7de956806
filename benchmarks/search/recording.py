"""A recording: every trial of several samplers on one real detector and device, a JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qpareto.search.front import Points, losses

OBJECTIVES = ("map50_95", "latency_ratio")
DIRECTIONS = ("maximize", "minimize")
SPACE = "space"  # the line that tells what was searched, and what was known of it beforehand
BASELINE = "baseline"  # the run that all others start from
LISTED = "listed"  # the run of candidates that a file names, whoever thought of them
MAP_BELOW = 0.1  # the worst corner lies below the all-INT8 recipe by this part of what that loses,
RATIO_ABOVE = 0.02  # and above the float engine's latency by this part of it

Line = dict[str, Any]


@dataclass
class Recording:
    """The file, its lines in the order of measuring. `opened` reads it."""

    path: Path
    lines: list[Line] = field(default_factory=list)

    @classmethod
    def opened(cls, path: Path) -> Recording:
        """Read what is there; a last line that a kill cut off is passed over."""
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return cls(path, [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()])

    def add(self, line: Line) -> None:
        """Write the file with one more line; whoever is killed meanwhile leaves it as it was."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lines.append(line)
        aside = self.path.with_suffix(".new")
        with aside.open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(each) + "\n" for each in self.lines)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(self.path)

    def of_run(self, run: str) -> list[Line]:
        return [line for line in self.lines if line["run"] == run]

    @property
    def space(self) -> Line:
        """What was searched."""
        return self.of_run(SPACE)[0]

    @property
    def runs(self) -> tuple[str, ...]:
        """The samplers' runs."""
        return tuple(dict.fromkeys(x["run"] for x in self.lines if x["run"] not in (SPACE, BASELINE, LISTED)))

    @property
    def baselines(self) -> dict[str, Line]:
        """By the recipe's name."""
        return {line["name"]: line for line in self.of_run(BASELINE)}

    def of_graph(self, graph_hash: str, float_type: str) -> Line | None:
        """The first measurement of an engine."""
        wanted = (graph_hash, float_type)
        return next((line for line in self.lines if (line.get("graph_hash"), line.get("float_type")) == wanted), None)

    def trials(self, run: str) -> list[Line]:
        """A run's trials as a study would hold them: the baselines that its space holds, then its own."""
        float_type = self.baselines["float"]["float_type"]
        begun = [line for line in self.of_run(BASELINE) if line["float_type"] == float_type]
        return [*begun, *self.of_run(run)]

    @property
    def corner(self) -> Points:
        """(2,) the worst corner of hypervolumes, turned so that smaller is better."""
        everything, nothing = self.baselines["modelopt-max"], self.baselines["float"]
        lowest = everything["map50_95"] - MAP_BELOW * (nothing["map50_95"] - everything["map50_95"])
        corner: Points = losses([(lowest, 1 + RATIO_ABOVE)], DIRECTIONS)[0]
        return corner


def losses_of(lines: Iterable[Line]) -> Points:
    """(n, 2) of lines that hold a measurement, turned so that smaller is better."""
    return losses([[line[name] for name in OBJECTIVES] for line in lines], DIRECTIONS)
