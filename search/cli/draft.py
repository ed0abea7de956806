"""The command before all others: draft a study file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...errors import QParetoError
from .family import example, say

commands = typer.Typer()

QUICKSTART = "studies/quickstart"


@commands.command(
    epilog=example(
        f"qpareto init {QUICKSTART}/shapes-yolo11n.onnx --images {QUICKSTART}/data/eval/images "
        f"--annotations {QUICKSTART}/data/eval/instances.json --calibration {QUICKSTART}/data/calib/images"
    )
)
def init(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="An .onnx, or a .pt that Ultralytics exports.", show_default=False)
    ],
    images: Annotated[Path | None, typer.Option(help="Folder of labelled images.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="Their COCO instances file.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="An Ultralytics data.yaml, instead of the two; of a classifier its folder of classes."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder or .txt list of calibration images; some are found if not named."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Study file to write.")] = Path("study.yaml"),
    head: Annotated[
        str, typer.Option(help="The model's head, where it is not recognised; see `head` in docs/study-file.md.")
    ] = "auto",
    imgsz: Annotated[
        str | None,
        typer.Option(
            metavar="N|H,W",
            help="Image size of a .pt (if not named 640; a classifier as trained), or of an .onnx that takes any.",
        ),
    ] = None,
    preprocessing: Annotated[
        str | None,
        typer.Option(help="How the model takes images, if unlike its head's family: '{channels: bgr, divide: 1}'."),
    ] = None,
    expect_map: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="The mAP50-95 (top-1) that the model is known to have; 0: it may have any."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Draft a study file from a model and its data.

    It is commented, and runs as it is. To calibrate with, it takes the images of the folder that the annotations do
    not name, or the train split of a data.yaml or a folder of classes; where there are too few, a quarter of the
    labelled images, which are then not scored. No image is copied. What the model finds in up to 50 images is held
    against their labels: where nearly nothing fits, nothing is written; a picture shows it.
    """
    from ..api import draft_study
    from ..study_file.spec import EvaluationSpec

    if (images is None) != (annotations is None) or (images is None) == (data is None):
        raise QParetoError("Name the labelled images by --images and --annotations together, or by --data alone.")
    source = EvaluationSpec.of_paths(images, annotations, data)
    written = draft_study(
        model,
        source,
        output,
        calibration=calibration,
        head=head,
        imgsz=_size(imgsz),
        preprocessing=preprocessing,
        expect_map=expect_map,
        force=force,
    )
    print(*written, sep="\n")
    say(f"{output} runs as it is; its remarks say what to change next.")


def _size(text: str | None) -> int | tuple[int, int] | None:
    """Of `640`, or of `480,640` for height and width."""
    if text is None:
        return None
    sizes = text.split(",")
    if len(sizes) > 2 or not all(size.strip().isdecimal() and int(size) for size in sizes):
        raise QParetoError(
            f"--imgsz {text}: write a number of pixels, such as 640, or height and width, such as 480,640."
        )
    height, width = int(sizes[0]), int(sizes[-1])
    return height if len(sizes) == 1 else (height, width)
