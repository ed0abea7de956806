"""What is read out of TensorRT's own messages, on messages that version 8.6.1 gave on an H200."""

from __future__ import annotations

from typing import Any

import pytest

from qpareto.objectives.engines.tensorrt.log import TensorRtLog

NO_KERNEL = (
    "10: Could not find any implementation for node model.10.m.0.attn.pe.conv.weight + "
    "model.10.m.0.attn.pe.conv.weight_QuantizeLinear + /model.10/m/m.0/attn/pe/conv/Conv + /model.10/m/m.0/attn/Add."
)
NO_KERNEL_AGAIN = (
    "10: [optimizer.cpp::computeCosts::3873] Error Code 10: Internal Error (Could not find any implementation for node "
    "model.10.m.0.attn.pe.conv.weight + model.10.m.0.attn.pe.conv.weight_QuantizeLinear + "
    "/model.10/m/m.0/attn/pe/conv/Conv + /model.10/m/m.0/attn/Add.)"
)
NODES = (
    "model.10.m.0.attn.pe.conv.weight",
    "model.10.m.0.attn.pe.conv.weight_QuantizeLinear",
    "/model.10/m/m.0/attn/pe/conv/Conv",
    "/model.10/m/m.0/attn/Add",
)


class Bindings:
    """The one class of the library that a log needs."""

    class ILogger:
        pass


@pytest.fixture
def log() -> TensorRtLog:
    bindings: Any = Bindings
    return TensorRtLog(bindings)


@pytest.mark.parametrize("message", [NO_KERNEL, NO_KERNEL_AGAIN])
def test_the_nodes_that_have_no_kernel_are_told(log: TensorRtLog, message: str) -> None:
    log.hear("ERROR", "4: something else went wrong before")
    log.hear("ERROR", message)
    assert log.nodes_without_kernel() == NODES


@pytest.mark.parametrize(
    "message",
    [
        "2: [virtualMemoryBuffer.cpp::resizePhysical::140] Error Code 2: OutOfMemory (no further information)",
        "10: Could not find any implementation for node {ForeignNode[/model.10/Reshape.../model.10/Add]}.",
        "10: Could not find any implementation for node /model.0/conv/Conv due to insufficient workspace. See log.",
    ],
)
def test_other_failures_name_no_node(log: TensorRtLog, message: str) -> None:
    log.hear("ERROR", message)
    assert log.nodes_without_kernel() == ()


def test_errors_of_an_earlier_engine_are_forgotten(log: TensorRtLog) -> None:
    log.hear("ERROR", NO_KERNEL)
    assert log.start().nodes_without_kernel() == ()
    assert log.reason() == "TensorRT does not say why"


def test_what_a_build_says_of_its_steps_is_heard_while_somebody_listens_and_printed_never(
    log: TensorRtLog, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []
    log.hear("VERBOSE", "one")
    log.listener = heard.append
    log.hear("VERBOSE", "two")
    log.hear("WARNING", "three")
    log.listener = None
    log.hear("VERBOSE", "four")
    assert heard == ["two"]
    assert capsys.readouterr().err == "WARNING: three\n"
