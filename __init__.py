"""qpareto: search for the best ways to quantize a detector for the machine it will run on."""

from __future__ import annotations

from .errors import QParetoError

__all__ = ["QParetoError", "__version__"]
__version__ = "0.1.0"
