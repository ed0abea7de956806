"""A recording: every trial of several samplers on one real detector and device, a JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qpareto.objectives.store import write_whole
from qpareto.search.front import Points, losses
from qpareto.spaces.calibration import CalibrationChoice
from qpareto.spaces.candidate import Candidate
from qpareto.spaces.masks import LayerMask
from qpareto.spaces.space import Space

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
        """Read what is there."""
        return cls(path, read_lines(path))

    def add(self, line: Line) -> None:
        """Write the file with one more line; whoever is killed meanwhile leaves it as it was."""
        self.lines.append(line)
        write_lines(self.path, self.lines)

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

    @property
    def float_type(self) -> str:
        """What layers outside the mask run in, in every trial but some baselines."""
        return str(self.baselines["float"]["float_type"])

    @property
    def measured(self) -> list[Line]:
        """What was measured in the study's own float type, repeats included."""
        return [line for line in self.lines if line.get("float_type") == self.float_type]

    def of_graph(self, graph_hash: str, float_type: str) -> Line | None:
        """The first measurement of an engine."""
        wanted = (graph_hash, float_type)
        return next((line for line in self.lines if (line.get("graph_hash"), line.get("float_type")) == wanted), None)

    def trials(self, run: str) -> list[Line]:
        """A run's trials as a study would hold them: the baselines that its space holds, then its own."""
        begun = [line for line in self.of_run(BASELINE) if line["float_type"] == self.float_type]
        return [*begun, *self.of_run(run)]

    @property
    def corner(self) -> Points:
        """(2,) the worst corner of hypervolumes, turned so that smaller is better."""
        everything, nothing = self.baselines["modelopt-max"], self.baselines["float"]
        lowest = everything["map50_95"] - MAP_BELOW * (nothing["map50_95"] - everything["map50_95"])
        corner: Points = losses([(lowest, 1 + RATIO_ABOVE)], DIRECTIONS)[0]
        return corner


def read_lines(path: Path) -> list[Line]:
    """The JSON objects of a file, one a line; none if it is not there. A line that a kill cut off does not count."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def write_lines(path: Path, lines: Iterable[Line]) -> None:
    """Inverse of `read_lines`."""
    write_whole(path, "".join(json.dumps(line) + "\n" for line in lines))


def candidate_of_line(line: Line, space: Space) -> Candidate:
    """What a line is of; where nothing is INT8, with a calibration that the space holds, since it has no effect."""
    choice = line["calibration"] or str(space.usual)
    return Candidate(CalibrationChoice.parse(choice), LayerMask.from_word(space.layers, line["mask"]))


def losses_of(lines: Iterable[Line]) -> Points:
    """(n, 2) of lines that hold a measurement, turned so that smaller is better."""
    return losses([[line[name] for name in OBJECTIVES] for line in lines], DIRECTIONS)
