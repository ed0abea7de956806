from __future__ import annotations

import pickle

import pytest

from qpareto.errors import ModelError
from qpareto.objectives.accuracy.tasks import TASKS, task_named


@pytest.mark.parametrize("name", TASKS)
def test_another_process_knows_a_task_as_its_own(name: str) -> None:
    assert pickle.loads(pickle.dumps(TASKS[name])) is TASKS[name]


def test_a_task_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(ModelError, match="oriented boxes are not scored"):
        task_named("obb")
    with pytest.raises(ModelError, match="qpareto knows detect, segment, pose, classify"):
        task_named("track")
