"""Patience with a storage: connections that drop, a server that restarts, a database that others are writing to.

Every call may be repeated, since whether an unanswered write took place cannot be known:

- Attributes and parameters are set to the same value again.
- A trial that is begun with a token is begun again only if no trial of the study has it. (Optuna itself repeats what a
  database refused without looking: should that have taken place after all, nobody measures it, and its lease lapses.)
- A trial that is ended again has ended; if as we meant it to, that was us.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ...errors import StorageError
from .failures import is_passing, is_storage_failure, reason_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study._frozen import FrozenStudy

T = TypeVar("T")
PATIENCE_S = 600.0  # how long a storage may be away: a database server restarts in less
TOKEN = "token"  # a trial's attribute: tells one that was begun from any other

_LONGEST_PAUSE_S = 5.0
_TOLD_AFTER = 3  # failures of one call in a row
_log = logging.getLogger(__name__)


class PatientStorage(BaseStorage):
    """Any storage of Optuna's: what fails in passing is tried again, what fails for good is one sentence.

    Args:
        storage: the one that is called.
        shown: its URL without the password.
        patience_s: how long one call is tried.

    Raises:
        StorageError: by every method: the storage failed for good, or for longer than that.
    """

    def __init__(self, storage: BaseStorage, *, shown: str, patience_s: float = PATIENCE_S) -> None:
        self._storage, self.shown, self._patience_s = storage, shown, patience_s

    def _tried(
        self, call: Callable[[], T], *, again: Callable[[], T] | None = None, patience_s: float | None = None
    ) -> T:
        """What a call returns.

        Args:
            again: called instead of it once it has failed without an answer, so that nothing is done twice.
            patience_s: another patience than usual.
        """
        deadline = time.monotonic() + (self._patience_s if patience_s is None else patience_s)
        pause_s, failed = 0.05, 0
        while True:
            try:
                found = call() if failed == 0 or again is None else again()
            except Exception as error:
                if not is_storage_failure(error):
                    raise
                if not is_passing(error) or time.monotonic() > deadline:
                    raise StorageError(
                        f"The storage {self.shown} failed ({reason_of(error)}): what is finished is kept, and the "
                        "same command goes on from there once it works again."
                    ) from error
                failed += 1
                if failed == _TOLD_AFTER:
                    _log.warning("The storage %s does not answer (%s): trying on.", self.shown, reason_of(error))
                time.sleep(pause_s * random.uniform(0.5, 1.0))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                if failed >= _TOLD_AFTER:
                    _log.warning("The storage %s answers again.", self.shown)
                return found

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return self._tried(lambda: self._storage.create_new_study(directions, study_name))

    def delete_study(self, study_id: int) -> None:
        def again() -> None:
            if any(study._study_id == study_id for study in self._storage.get_all_studies()):
                self._storage.delete_study(study_id)

        self._tried(lambda: self._storage.delete_study(study_id), again=again)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._tried(lambda: self._storage.set_study_user_attr(study_id, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._tried(lambda: self._storage.set_study_system_attr(study_id, key, value))

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._tried(lambda: self._storage.get_study_id_from_name(study_name))

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._tried(lambda: self._storage.get_study_name_from_id(study_id))

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._tried(lambda: self._storage.get_study_directions(study_id))

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._tried(lambda: self._storage.get_study_user_attrs(study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._tried(lambda: self._storage.get_study_system_attrs(study_id))

    def get_all_studies(self) -> list[FrozenStudy]:
        return self._tried(self._storage.get_all_studies)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        token = None if template_trial is None else template_trial.user_attrs.get(TOKEN)

        def again() -> int:
            begun = [] if token is None else self._storage.get_all_trials(study_id, deepcopy=False)
            ours = [trial._trial_id for trial in begun if trial.user_attrs.get(TOKEN) == token]
            return ours[0] if ours else self._storage.create_new_trial(study_id, template_trial)

        return self._tried(lambda: self._storage.create_new_trial(study_id, template_trial), again=again)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        self._tried(lambda: self._storage.set_trial_param(trial_id, param_name, param_value_internal, distribution))

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        return self._tried(lambda: self._storage.get_trial_id_from_study_id_trial_number(study_id, trial_number))

    def get_trial_number_from_id(self, trial_id: int) -> int:
        return self._tried(lambda: self._storage.get_trial_number_from_id(trial_id))

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        def again() -> bool:
            try:
                return self._storage.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                ended = self._storage.get_trial(trial_id)
                if ended.state == state and ended.values == (None if values is None else list(values)):
                    return True
                raise

        return self._tried(lambda: self._storage.set_trial_state_values(trial_id, state, values), again=again)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._tried(lambda: self._storage.set_trial_intermediate_value(trial_id, step, intermediate_value))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._tried(lambda: self._storage.set_trial_user_attr(trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._tried(lambda: self._storage.set_trial_system_attr(trial_id, key, value))

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._tried(lambda: self._storage.get_trial(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self._tried(lambda: self._storage.get_all_trials(study_id, deepcopy, states))

    def remove_session(self) -> None:
        self._storage.remove_session()
