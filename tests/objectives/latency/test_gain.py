from __future__ import annotations

from qpareto.objectives.engines.profile import LayerTime
from qpareto.objectives.latency.gain import gains_of_profiles


def time(ms: float, *nodes: str, reformat: bool = False) -> LayerTime:
    return LayerTime(name=" + ".join(nodes) or "reformat", nodes=nodes, precision=None, reformat=reformat, ms=ms)


def test_a_layer_saves_the_difference_of_its_times() -> None:
    found = gains_of_profiles([time(3.0, "a", "act"), time(2.0, "b")], [time(1.0, "a"), time(2.5, "b", "act")], "ab")
    assert found == {"a": 2.0, "b": -0.5}


def test_layers_that_run_as_one_share_its_time() -> None:
    found = gains_of_profiles([time(4.0, "a", "b")], [time(1.0, "a"), time(1.5, "b")], "ab")
    assert found == {"a": 1.0, "b": 0.5}


def test_a_layer_that_runs_in_pieces_takes_the_sum_of_them() -> None:
    found = gains_of_profiles([time(4.0, "a"), time(1.0, "a")], [time(2.0, "a")], "a")
    assert found == {"a": 3.0}


def test_reformats_and_layers_that_a_profile_does_not_tell_of_save_nothing() -> None:
    found = gains_of_profiles([time(4.0, "a")], [time(1.0, reformat=True)], "ab")
    assert found == {"a": 0.0, "b": 0.0}
