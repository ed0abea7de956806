"""OpenVINO's Python package, which says nothing to anybody as it is loaded."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

_TELEMETRY = "openvino_telemetry"


def library() -> ModuleType:
    """The package `openvino`, loaded without its telemetry if nobody has loaded it yet.

    As it is imported (2026.4) it sends usage data over the network, from a thread and two forks of this process: with
    nobody asked, and beside whatever is timed. It does without where its telemetry cannot be imported, and loads in
    half the time then.

    Raises:
        ImportError, OSError, RuntimeError: it is not there, or does not load.
    """
    if not sys.modules.keys().isdisjoint({"openvino", _TELEMETRY}):
        return import_module("openvino")
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # as Python marks what cannot be imported
    try:
        return import_module("openvino")
    finally:
        del sys.modules[_TELEMETRY]
