"""Which builds and timings `rebuilds.py` makes, in an order in which a run that is cut off has learned the most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rebuild_record import AGAIN, BUILD, TIMING, Line

MASK, FLOAT = "mask", "float"  # the two graphs


@dataclass(frozen=True)
class Build:
    """One build of one graph: alone, or beside another process's build on the same device.

    Args:
        number: from 1, of its case.
    """

    graph: str
    number: int = 1
    cached: bool = False
    beside: bool = False

    @property
    def case(self) -> str:
        """As the table calls it."""
        cache = "from the cache" if self.cached else "no cache"
        return f"{self.graph}, {cache}{', beside a build' if self.beside else ''}"

    @property
    def title(self) -> str:
        return f"{self.case}, {self.number}"

    @property
    def cache_filler(self) -> Build:
        """The build whose timing cache one from the cache starts with."""
        return Build(self.graph)


REFERENCE = Build(FLOAT)


@dataclass(frozen=True)
class Timing:
    """One timing of one engine against the reference, in a process of its own.

    Args:
        number: from 2 of further timings of an engine.
    """

    build: Build
    number: int = 1

    @property
    def case(self) -> str:
        return self.build.case if self.number == 1 else AGAIN

    @property
    def title(self) -> str:
        return f"time {self.build.title}{'' if self.number == 1 else f', time {self.number}'}"


Task = Build | Timing


def tasks(*, repeats: int, again: int) -> list[Task]:
    """All of them, in their order: each build's timing follows it.

    Args:
        repeats: builds of each case alone.
        again: timings of one engine.
    """
    numbers = range(2, repeats + 1)
    first = [REFERENCE, Build(MASK), *(Build(MASK, i, cached=True) for i in (1, *numbers))]
    then = [
        Build(MASK, cached=True, beside=True),
        Build(MASK, beside=True),
        *(Build(MASK, i) for i in numbers),
        *(Build(FLOAT, i, cached=True) for i in (1, *numbers)),
        *(Build(FLOAT, i) for i in numbers),
        Build(FLOAT, cached=True, beside=True),
        Build(FLOAT, beside=True),
    ]
    further = [Timing(Build(MASK), i) for i in range(2, again + 1)]
    return [*_with_timings(first), *further, *_with_timings(then)]


def _with_timings(builds: Sequence[Build]) -> Iterator[Task]:
    for build in builds:
        yield build
        yield Timing(build)


@dataclass(frozen=True)
class Progress:
    """What of the tasks is recorded, and what lies in this machine's work folder.

    Args:
        keys: build -> its engine's key in the record.
        here: builds whose engine, and timing cache, lie here.
    """

    tasks: Sequence[Task]
    lines: Sequence[Line]
    keys: dict[Build, str]
    here: frozenset[Build]

    def open(self) -> list[Task]:
        """What is still to be done: a build again, too, if its engine or cache is waited for and is not here."""
        return [task for task in self.tasks if not self._is_done(task)]

    def is_ready(self, task: Task) -> bool:
        """Whether what it needs lies here."""
        if isinstance(task, Timing):
            return {task.build, REFERENCE} <= self.here
        return not task.cached or task.cache_filler in self.here

    def expected_s(self, task: Task) -> float:
        """The longest that a task of its case took, 0 if none did."""
        what = TIMING if isinstance(task, Timing) else BUILD
        return max((x["seconds"] for x in self.lines if x["what"] == what and x["case"] == task.case), default=0.0)

    def _is_done(self, task: Task) -> bool:
        if not self._is_recorded(task):
            return False
        return isinstance(task, Timing) or task in self.here or not self._is_waited_for(task)

    def _is_recorded(self, task: Task) -> bool:
        build, what, number = (
            (task.build, TIMING, task.number) if isinstance(task, Timing) else (task, BUILD, task.number)
        )
        wanted = (what, self.keys[build], task.case, number)
        return any((x["what"], x.get("engine"), x.get("case"), x.get("number")) == wanted for x in self.lines)

    def _is_waited_for(self, build: Build) -> bool:
        missing = [task for task in self.tasks if task != build and not self._is_recorded(task)]
        return any(
            (isinstance(task, Timing) and build in {task.build, REFERENCE})
            or (isinstance(task, Build) and task.cached and task.cache_filler == build)
            for task in missing
        )
