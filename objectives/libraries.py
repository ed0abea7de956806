"""Versions of libraries that come under several names."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

ONNXRUNTIME = ("onnxruntime-gpu", "onnxruntime")  # ModelOpt brings the first, or the second on Arm


def onnxruntime_version() -> str:
    """Of whichever ONNX Runtime is installed: they compute the same on the CPU, where all of ours runs."""
    return onnxruntime_distribution()[1]


def onnxruntime_distribution() -> tuple[str, str]:
    """Name and version of the installed ONNX Runtime."""
    for name in ONNXRUNTIME:
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    import onnxruntime

    return "onnxruntime", str(onnxruntime.__version__)  # one of its rarer names
