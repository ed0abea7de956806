"""One GPU or some cores a worker."""

from __future__ import annotations

import pytest

from qpareto.errors import QParetoError
from qpareto.search.fleet.pins import Pin, pins_on_cores, pins_on_gpus, present_gpus


def test_gpus_are_dealt_in_turn() -> None:
    pins = pins_on_gpus(5, ["GPU-a", "GPU-b"])
    assert [pin.env["CUDA_VISIBLE_DEVICES"] for pin in pins] == ["GPU-a", "GPU-b", "GPU-a", "GPU-b", "GPU-a"]


def test_without_gpus_nothing_is_pinned() -> None:
    assert pins_on_gpus(2, []) == (Pin(), Pin())


def test_no_core_belongs_to_two_workers() -> None:
    pins = pins_on_cores(2, 3, [0, 1, 2, 5, 6, 7, 8])
    assert [sorted(pin.cores) for pin in pins] == [[0, 1, 2], [5, 6, 7]]
    assert pins_on_cores(2, None, [0, 1]) == (Pin(), Pin())


def test_more_cores_than_there_are_is_refused() -> None:
    with pytest.raises(QParetoError, match="3 workers with 2 cores each need 6 cores, and this machine gives 4"):
        pins_on_cores(3, 2, range(4))


def test_gpus_that_this_process_may_use_are_those_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-b")
    assert present_gpus() == ("2", "GPU-b")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert present_gpus() == ()
