"""What TensorRT's own libraries need beside them, and which packages bring it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

# Of version 8.6, whose plugin library names them; later ones need neither. Package index: PyPI.
_BROUGHT_BY = {
    "libcudnn.so.8": "nvidia-cudnn-cu12==8.9.7.29",
    "libcublas.so.12": "nvidia-cublas-cu12==12.*",
    "libcublasLt.so.12": "nvidia-cublas-cu12==12.*",
}


def advice_of_failure(reasons: Sequence[str], install: str) -> str:
    """What to do about a TensorRT that does not load.

    Args:
        reasons: what the loader said.
        install: what installs it, if it is not there at all.
    """
    if not any(library in reason for library in _BROUGHT_BY for reason in reasons):
        return f"install it with {install}"
    missing = [library for library in _BROUGHT_BY if not _loads(library)]
    packages = dict.fromkeys(_BROUGHT_BY[library] for library in missing)
    return (
        f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: pip install "
        f"{' '.join(repr(package) for package in packages)}, and let LD_LIBRARY_PATH name the lib folders of these "
        "packages"
    )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
