"""One check of a self-test, and how a step becomes one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...errors import CandidateError, EngineError
from ..isolation.child import BugInChildError


@dataclass(frozen=True, kw_only=True)
class Check:
    """What came of one promise.

    Args:
        engine: the kind that was tested.
        name: the promise, as what the engine kind does.
        outcome: `skipped` if it could not be tried here.
        detail: figures with units if it passed, else the reason.
    """

    engine: str
    name: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str


class Untried(Exception):  # noqa: N818 - no error: nothing was tried
    """What a step needs is not there: it is skipped, for the reason that this says."""


def check_of_step(engine: str, name: str, step: Callable[[], str]) -> Check:
    """Take a step, which returns its figures; what it breaks is one failed check, and the next can go on.

    Raises:
        DiskError: no later step would fare better.
    """
    start = time.monotonic()
    try:
        figures = step()
    except Untried as reason:
        return Check(engine=engine, name=name, outcome="skipped", detail=str(reason))
    except (CandidateError, BugInChildError) as error:
        return Check(engine=engine, name=name, outcome="failed", detail=str(error))
    seconds = f"{time.monotonic() - start:.1f} s"
    return Check(engine=engine, name=name, outcome="passed", detail=f"{seconds}, {figures}")


def expect(kept: bool, otherwise: str) -> None:
    """Hold a promise.

    Args:
        otherwise: what was seen instead, a sentence.

    Raises:
        EngineError: it is not kept.
    """
    if not kept:
        raise EngineError(otherwise)


def expect_refusal(
    call: Callable[[], object], what: str, *, saying: str = "", error: type[Exception] = EngineError
) -> None:
    """Hold the promise to refuse something with an error that a user can act on.

    Args:
        what: is to be refused; begins a sentence.
        saying: words of the reason.
        error: the class of the refusal; another is none, and is not caught.

    Raises:
        EngineError: it is not refused, or for another reason.
    """
    try:
        call()
    except error as refusal:
        expect(saying in str(refusal), f"{what} is refused without saying '{saying}': {refusal}")
        return
    raise EngineError(f"{what} is not refused.")
