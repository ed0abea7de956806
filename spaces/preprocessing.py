"""How an image becomes what a model takes: laid into its rectangle, then scaled."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Any, Literal

Channels = Literal["rgb", "bgr"]
Fit = Literal["center", "corner", "stretch", "crop"]
Three = tuple[float, float, float]
_FITS = {
    "center": "letterboxed",
    "corner": "letterboxed from the top left corner",
    "stretch": "stretched",
    "crop": "the middle cut out",
}
_FILLING = ("stretch", "crop")  # which leave nothing free


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """A model takes (pixel / divide - mean) / std, its channels and its rectangle filled as told. Default: as YOLO's.

    Args:
        channels: in which order.
        fit: `center` and `corner` scale an image to fit and put it in the middle or in the top left corner; `stretch`
            scales both sides to the rectangle's; `crop` scales the shorter side and cuts the middle out, antialiased,
            as classifiers have it.
        padding: grey, 0..255, of what an image leaves free.
        divide: above 0.
        mean, std: of each channel after dividing, in the order of `channels`.
    """

    channels: Channels = "rgb"
    fit: Fit = "center"
    padding: int = 114
    divide: float = 255.0
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)

    def changed(self, *names: str) -> dict[str, Any]:
        """What differs from the default, by name; of some fields only, if these are named. For keys."""
        told = names or [field.name for field in fields(self)]
        return {name: getattr(self, name) for name in told if getattr(self, name) != getattr(USUAL, name)}

    def marks(self, content_hash: str) -> str:
        """A hash of content and of how it is prepared: the content's own where that is the default."""
        changed = self.changed()
        return hashlib.sha256(f"{content_hash} {changed}".encode()).hexdigest()[:32] if changed else content_hash

    def __str__(self) -> str:
        """`RGB, 0 to 1, letterboxed with grey 114`."""
        values = f"0 to {255 / self.divide:g}"
        if self.changed("mean", "std"):
            values += f", less {list(self.mean)}, over {list(self.std)}"
        filled = "" if self.fit in _FILLING else f" with grey {self.padding}"
        return f"{self.channels.upper()}, {values}, {_FITS[self.fit]}{filled}"


USUAL = Preprocessing()
