"""optuna-dashboard's application over a study's storage, with two of its cards mended where they would mislead.

- Hyperparameter importance is drawn into a card of one height, a bar a parameter and objective: of 90 layers nobody can
  read them. Only the most important ones are shown.
- Infeasible trials are greyed by the attribute of Optuna 4; Optuna 5 writes another one.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Container, Iterable, Sequence
from copy import copy
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ...storage.patient import PatientStorage

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState

    from .artifacts import TrialFiles

MOST_IMPORTANT = 16  # parameters that the card has room for, with their names
OLD_CONSTRAINTS = "constraints"  # a trial's system attribute, a list; Optuna 5 writes `constraints:NAME`, a number each
_ASKS_IMPORTANCES = re.compile(r"/api/studies/\d+/param_importances")

Importance = dict[str, Any]  # as the dashboard has it: name, importance, distribution


def dashboard_app(storage: BaseStorage, files: TrialFiles | None) -> WSGIApplication:
    """The whole application.

    Args:
        files: the trials' artifacts; None where they cannot be made.
    """
    from optuna_dashboard import wsgi

    # two lines a layer that few trials had in float, which is no news here (docs/seeing.md says how sure they are)
    warnings.filterwarnings("ignore", module=r"optuna\.importance\.")
    return with_few_importances(wsgi(ShownStorage(storage, shown="of the dashboard"), artifact_store=files))


def most_important(told: Sequence[Sequence[Importance]]) -> list[list[Importance]]:
    """The same parameters for each objective, the most important on average first; the others as one, their mean.

    Args:
        told: a list an objective, of all parameters.
    """
    by_name: dict[str, list[float]] = {}
    for found in told:
        for one in found:
            by_name.setdefault(one["name"], []).append(one["importance"])
    ranked = sorted(by_name, key=lambda name: -fmean(by_name[name]))
    kept = ranked if len(ranked) <= MOST_IMPORTANT + 1 else ranked[:MOST_IMPORTANT]
    return [_shortened(found, kept) for found in told]


def with_few_importances(app: WSGIApplication) -> WSGIApplication:
    """An application that answers as this one does, but with importances as `most_important`."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not _ASKS_IMPORTANCES.fullmatch(environ.get("PATH_INFO", "")):
            return app(environ, start_response)
        begun: list[Any] = []

        def begin(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            del exc_info
            begun[:] = [status, headers]
            return lambda written: None

        body = b"".join(app(environ, begin))
        status, headers = begun
        if status.startswith("200"):
            body = json.dumps({"param_importances": most_important(json.loads(body)["param_importances"])}).encode()
        start_response(status, [*[h for h in headers if h[0] != "Content-Length"], ("Content-Length", str(len(body)))])
        return [body]

    return answer


class ShownStorage(PatientStorage):
    """A storage whose trials have their constraints where the dashboard looks for them too. Nothing is written."""

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return [_with_old_constraints(trial) for trial in super().get_all_trials(study_id, deepcopy, states)]


def _with_old_constraints(trial: FrozenTrial) -> FrozenTrial:
    if not trial.constraints or OLD_CONSTRAINTS in trial.system_attrs:
        return trial
    copied = copy(trial)  # the trial itself may be others' too
    copied.system_attrs = {**trial.system_attrs, OLD_CONSTRAINTS: list(trial.constraints.values())}
    return copied


def _shortened(found: Sequence[Importance], kept: Sequence[str]) -> list[Importance]:
    by_name = {one["name"]: one for one in found}
    shown = [by_name.pop(name) for name in kept if name in by_name]
    others = list(by_name.values())
    if others:
        mean = fmean(one["importance"] for one in others)
        shown.append(others[0] | {"name": f"{len(others)} others, each", "importance": mean})
    return shown
