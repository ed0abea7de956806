"""Workers kept at work: started, started again when they die, stopped together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ...errors import QParetoError
from .place import Ending, Place, Work

POLL_S = 0.2

Command = Literal["go on", "stop", "kill"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often a worker that dies is started again, and how long after.

    Args:
        deaths: in a row, at most; with the last one it is given up.
        first_s, longest_s: the pause doubles from the one to the other.
        healthy_s: a worker that has lived so long begins a new row.
    """

    deaths: int = 6
    first_s: float = 1.0
    longest_s: float = 60.0
    healthy_s: float = 600.0

    def pause_s(self, deaths: int) -> float:
        """After so many deaths in a row, at least 1."""
        return float(min(self.longest_s, self.first_s * 2 ** (deaths - 1)))


@dataclass
class _Seat:
    """One worker's place in the fleet, whoever sits there."""

    number: int
    state: Literal["working", "pausing", "left"] = "pausing"
    since_s: float = 0.0  # when it was started, or when it is to be, by the monotonic clock
    deaths: int = 0
    ending: Ending | None = None


@dataclass(kw_only=True)
class Supervisor:
    """Keeps so many workers at work in a place.

    Args:
        work: asked anew whenever a worker is started, so that what is left of a time limit can be its own.
        command: asked several times a second: go on, stop gently, or kill.
        tick: called as often, to show progress; what it raises ends the fleet.
    """

    place: Place
    workers: int
    work: Callable[[], Work]
    command: Callable[[], Command] = lambda: "go on"
    tick: Callable[[], None] = lambda: None
    patience: Patience = field(default_factory=Patience)

    def run(self) -> Command:
        """Until every worker has left; returns the last command that was given.

        Raises:
            QParetoError: all were given up: the last one's refusal, or how it ended. Or a worker cannot be started.
        """
        seats = [_Seat(number) for number in range(self.workers)]
        given: Command = "go on"
        while any(seat.state != "left" for seat in seats):
            wanted = self.command()
            if wanted != given:
                self._obey(wanted, seats)
                given = wanted
            for seat in seats:
                self._attend(seat, given)
            self.tick()
            time.sleep(POLL_S)
        if given == "go on" and not any(seat.ending and seat.ending.is_done for seat in seats):
            raise self._error(seats)
        return given

    def _obey(self, command: Command, seats: list[_Seat]) -> None:
        for seat in seats:
            if seat.state == "pausing":
                seat.state = "left"
            elif seat.state == "working":
                self.place.stop(seat.number) if command == "stop" else self.place.kill(seat.number)

    def _attend(self, seat: _Seat, given: Command) -> None:
        now_s = time.monotonic()
        if seat.state == "pausing" and now_s >= seat.since_s:
            self.place.start(seat.number, self.work())
            seat.state, seat.since_s = "working", now_s
        elif seat.state == "working" and (ending := self.place.ending(seat.number)):
            self._see_off(seat, ending, given, now_s)

    def _see_off(self, seat: _Seat, ending: Ending, given: Command, now_s: float) -> None:
        seat.ending = ending
        if ending.is_done or given != "go on":
            seat.state = "left"
            return
        seat.deaths = 1 if now_s - seat.since_s >= self.patience.healthy_s else seat.deaths + 1
        if seat.deaths >= self.patience.deaths:
            if self.workers > 1:
                _log.warning("Worker %d %s; after %d times in a row it is given up.", seat.number, ending, seat.deaths)
            seat.state = "left"
            return
        pause_s = self.patience.pause_s(seat.deaths)
        _log.warning("Worker %d %s; it is started again in %g s.", seat.number, ending, pause_s)
        seat.state, seat.since_s = "pausing", now_s + pause_s

    def _error(self, seats: list[_Seat]) -> QParetoError:
        last = max(seats, key=lambda seat: seat.since_s)
        if last.ending and last.ending.is_refusal:
            return QParetoError(last.ending.last_words)
        return QParetoError(f"Worker {last.number} {last.ending}. Its log: {self.place.logs()}")
