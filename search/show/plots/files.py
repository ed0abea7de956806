"""A figure as a file: HTML that needs no network, or PNG for slides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....errors import QParetoError
from ....objectives.store import disk_errors, write_whole

PNG_WIDTH, PNG_SCALE = 1200, 2  # pixels before scaling


def write_html(figure: Any, path: Path) -> None:
    """Write a figure as one self-contained HTML file.

    Raises:
        DiskError: the file cannot be written.
    """
    write_whole(path, figure.to_html(include_plotlyjs=True))


def write_pngs(figures: dict[str, Any], stem: Path) -> list[Path]:
    """Write `STEM-NAME.png` for each figure, on white; kaleido draws them in a Chromium of this machine.

    Raises:
        QParetoError: kaleido or a Chromium is missing, or that did not draw.
        DiskError: a file cannot be written.
    """
    try:
        import kaleido
        from choreographer.errors import ChromeNotFoundError
    except ImportError as error:
        raise QParetoError("PNG needs kaleido: pip install 'qpareto[png]', or leave --png out.") from error
    paths = [stem.with_name(f"{stem.stem}-{name}.png") for name in figures]
    options = {"width": PNG_WIDTH, "height": PNG_WIDTH * 9 // 16, "scale": PNG_SCALE}
    drawn = [
        {"fig": _on_white(figure), "path": path, "opts": options}
        for figure, path in zip(figures.values(), paths, strict=True)
    ]
    with disk_errors(stem.parent):
        stem.parent.mkdir(parents=True, exist_ok=True)
        try:
            kaleido.write_fig_from_object_sync(drawn)
        except ChromeNotFoundError as error:
            raise QParetoError(
                "PNG needs a Chromium or Chrome: apt-get install chromium, or leave --png out."
            ) from error
    return paths


def _on_white(figure: Any) -> Any:
    """A copy for a white page, its text dark."""
    copied = type(figure)(figure)
    copied.update_layout(paper_bgcolor="white", plot_bgcolor="white", font_color="#222222", font_size=18, height=None)
    return copied
