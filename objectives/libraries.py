"""Versions of libraries that come under several names."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

ONNXRUNTIME = ("onnxruntime-gpu", "onnxruntime")  # ModelOpt brings the first, or the second on Arm
ULTRALYTICS = ("ultralytics-opencv-headless", "ultralytics")


def onnxruntime_version() -> str:
    """Of whichever ONNX Runtime is installed: they compute the same on the CPU, where all of ours runs."""
    return onnxruntime_distribution()[1]


def onnxruntime_distribution() -> tuple[str, str]:
    """Name and version of the installed ONNX Runtime."""
    if found := _installed(ONNXRUNTIME):
        return found
    import onnxruntime

    return "onnxruntime", str(onnxruntime.__version__)  # one of its rarer names


def ultralytics_version() -> str:
    found = _installed(ULTRALYTICS)
    return found[1] if found else "unknown"


def _installed(names: tuple[str, ...]) -> tuple[str, str] | None:
    for name in names:
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return None
